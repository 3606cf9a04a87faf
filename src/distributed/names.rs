//! What streams, subjects and buckets are called. All begin with the name of the group.

/// Names of one group. The group's name holds letters, digits, hyphens and underscores alone.
#[derive(Debug, Clone)]
pub(super) struct Names {
    group: String,
}

impl Names {
    pub(super) fn new(group: &str) -> Self {
        Self {
            group: group.to_owned(),
        }
    }

    /// The bucket that holds who leads; its entries live as long as a term without renewal.
    pub(super) fn bucket(&self) -> String {
        format!("{}-lider", self.group)
    }

    /// The stream of runs that wait for an instance, or that one has.
    pub(super) fn queue(&self) -> String {
        format!("{}-fila", self.group)
    }

    /// The stream of what becomes of runs.
    pub(super) fn facts(&self) -> String {
        format!("{}-fatos", self.group)
    }

    /// The consumer that all instances share.
    pub(super) fn consumer(&self) -> String {
        format!("{}-instancias", self.group)
    }

    /// A run that waits, below the subject of its processor.
    pub(super) fn plan(&self, processor: &str, key: &str) -> String {
        format!("{}.fila.{processor}.{key}", self.group)
    }

    /// Every run that waits.
    pub(super) fn plans(&self) -> String {
        format!("{}.fila.>", self.group)
    }

    /// Beginnings of an attempt: each replaces the one before.
    pub(super) fn start(&self, key: &str) -> String {
        format!("{}.inicio.{key}", self.group)
    }

    /// The end of an attempt.
    pub(super) fn end(&self, key: &str) -> String {
        format!("{}.fato.fim.{key}", self.group)
    }

    /// The end of a run, all its attempts.
    pub(super) fn run(&self, run: &str) -> String {
        format!("{}.fato.execucao.{run}", self.group)
    }

    /// Ends of both kinds: what everybody reads.
    pub(super) fn ends(&self) -> String {
        format!("{}.fato.>", self.group)
    }

    /// Everything that becomes of runs.
    pub(super) fn all_facts(&self) -> Vec<String> {
        vec![format!("{}.inicio.>", self.group), self.ends()]
    }

    /// A wish to stop an attempt.
    pub(super) fn stop(&self, key: &str) -> String {
        format!("{}.parar.{key}", self.group)
    }

    /// Where each instance says that it is there.
    pub(super) fn presence(&self, instance: &str) -> String {
        format!("{}.presenca.{instance}", self.group)
    }
}
