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

    /// Every run that waits.
    pub(super) fn plans(&self) -> String {
        format!("{}.fila.>", self.group)
    }

    /// Where each instance says that it is there.
    pub(super) fn presence(&self, instance: &str) -> String {
        format!("{}.presenca.{instance}", self.group)
    }
}
