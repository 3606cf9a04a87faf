//! Documents in a Directus, the program that works on them, and what must hold in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use jiff::Timestamp;
use orquestrador::records::{
    self, Access, Listed, Mark, NewClause, NewContract, NewFile, NewModel, NewVersion, Records,
    StoreKind, StoreSettings,
};
use serde_json::{Value, json};

use crate::server::{IMPORTER, PROCESSOR, Server, now, pause};

/// Nothing here takes longer unless something is wrong.
const LIMIT: Duration = Duration::from_mins(4);

pub(crate) fn example(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "examples", "documentos", name]
        .iter()
        .collect()
}

fn file(name: &str) -> NewFile {
    NewFile {
        name: name.to_owned(),
        bytes: std::fs::read(example(name)).unwrap(),
    }
}

/// A folder in which the program is started, its configuration, and the store that it is told.
pub(crate) struct Site {
    pub(crate) folder: tempfile::TempDir,
    url: String,
    pub(crate) token: &'static str,
}

/// What a program left.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Site {
    pub(crate) fn new(url: String, registros: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = format!("[documentos]\nversoes_por_execucao = 200\n[registros]\n{registros}\n");
        std::fs::write(folder.path().join("orquestrador.toml"), text).unwrap();
        Self {
            folder,
            url,
            token: PROCESSOR,
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the program under test is a real process"
    )]
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_orquestrador"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("DIRECTUS_BASE_URL", &self.url)
            .env("DIRECTUS_TOKEN", self.token)
            .env("REQUEST_TIMEOUT", "3")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().unwrap()
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Finished {
        finish(self.start(arguments))
    }

    pub(crate) fn single_run(&self) -> Finished {
        self.run(&[
            "--single-run",
            "--modo",
            "sequencial",
            "--em-falha",
            "continuar",
        ])
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let finished = self.run(arguments);
        assert_eq!(finished.code, Some(0), "{finished:?}");
        serde_json::from_str(&finished.out).unwrap()
    }
}

/// Waits for the end of a program, but not for ever.
pub(crate) fn finish(mut child: Child) -> Finished {
    let pid = child.id();
    let begun = now();
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let (out, err) = (out.map(reader), err.map(reader));
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if begun.elapsed() > LIMIT {
            child.kill().unwrap();
            panic!("{pid} does not end");
        }
        pause(Duration::from_millis(20));
    };
    Finished {
        code: status.code(),
        out: out.map_or_else(String::new, |out| out.join().unwrap()),
        err: err.map_or_else(String::new, |err| err.join().unwrap()),
    }
}

/// Reads a stream to its end, which the program must not have to wait for.
fn reader(mut from: impl std::io::Read + Send + 'static) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Documents as they were put in, and how many results each must have.
pub(crate) struct World {
    /// By version: rows of `modificacao`.
    pub(crate) versions: BTreeMap<String, usize>,
    /// By model: rows of `modelo_contrato_tag`.
    pub(crate) models: BTreeMap<String, usize>,
    /// By modification: what an analyst decided, and noted.
    pub(crate) decisions: BTreeMap<String, (String, String)>,
}

/// A store on a Directus with all that people may do.
pub(crate) fn importer(server: &Server, folder: &tempfile::TempDir) -> Box<dyn Records> {
    let kind = StoreKind::Directus {
        url: server.url(),
        token: IMPORTER.to_owned().into(),
    };
    let settings = StoreSettings::new(kind, folder.path().to_path_buf());
    records::open(&settings, Access::Write).unwrap()
}

impl World {
    /// A published model with contracts and versions, and a model that waits.
    #[expect(clippy::too_many_lines, reason = "one list of what is put in")]
    pub(crate) fn populate(server: &Server, contracts: usize, versions: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut records = importer(server, &folder);
        let now = Timestamp::now();
        let mut model = |name: &str| {
            let new = NewModel {
                name: name.to_owned(),
                original: file(&format!("{name}.docx")),
                tagged: file(&format!("{name}-com-tags.docx")),
            };
            records.import_model(&new, now).unwrap()
        };
        let (lease, services) = (model("modelo-locacao"), model("modelo-servicos"));
        for name in ["prazo", "foro"] {
            let clause = NewClause {
                model: lease.clone(),
                number: String::new(),
                name: name.to_owned(),
                content: String::new(),
            };
            records.import_clause(&clause, now).unwrap();
        }
        let clause = NewClause {
            model: services.clone(),
            number: "1.2".to_owned(),
            name: "x".to_owned(),
            content: String::new(),
        };
        records.import_clause(&clause, now).unwrap();
        let mark = Mark {
            listed: Listed::Models,
            id: lease.clone(),
            status: "publicado".to_owned(),
            note: None,
        };
        records.mark(&mark, now).unwrap();
        let site = Site::new(server.url(), "");
        let expected = |old: &str, new: &str| {
            let path = |name: &str| example(name).display().to_string();
            let found = site.json(&["comparar", &path(old), &path(new), "--json"]);
            ["modificacoes", "formatacao"]
                .map(|key| found[key].as_array().unwrap().len())
                .iter()
                .sum::<usize>()
        };
        let [first, second] = ["contrato-locacao-v1.docx", "contrato-locacao-v2.docx"];
        let counts = [
            expected("modelo-locacao.docx", first),
            expected(first, second),
            expected(second, first),
        ];
        let mut world = Self {
            versions: BTreeMap::new(),
            models: BTreeMap::new(),
            decisions: BTreeMap::new(),
        };
        for number in 1..=contracts {
            let contract = NewContract {
                model: lease.clone(),
                number: format!("C{number}"),
                title: String::new(),
            };
            let contract = records.import_contract(&contract, now).unwrap();
            for version in 0..versions {
                let name = if version % 2 == 0 { first } else { second };
                let new = NewVersion {
                    contract: contract.clone(),
                    name: None,
                    file: file(name),
                };
                let id = records.import_version(&new, now).unwrap();
                let count = match version {
                    0 => counts[0],
                    odd if odd % 2 == 1 => counts[1],
                    _ => counts[2],
                };
                world.versions.insert(id.0, count);
            }
        }
        world.models.insert(services.0, 14);
        world
    }

    /// The records ask for work once more, as an analyst would have it.
    pub(crate) fn ask_again(&self, server: &Server) {
        for (collection, ids) in [
            ("versao", self.versions.keys()),
            ("modelo_contrato", self.models.keys()),
        ] {
            for id in ids {
                server.change(collection, id, &json!({ "status": "processar" }));
            }
        }
    }

    /// An analyst decides about a row.
    pub(crate) fn decide(&mut self, server: &Server, row: &Value, decision: &str) {
        let id = row["id"].to_string();
        let note = format!("nota de {id}");
        server.change(
            "modificacao",
            &id,
            &json!({ "status": decision, "nota_analista": note }),
        );
        self.decisions.insert(id, (decision.to_owned(), note));
    }

    /// Records that wait or are in work.
    pub(crate) fn open(server: &Server) -> usize {
        let is_open = |item: &Value| {
            matches!(
                item["status"].as_str(),
                Some("processar" | "em_processamento")
            )
        };
        ["versao", "modelo_contrato"]
            .map(|collection| {
                server
                    .items(collection, "id,status")
                    .into_iter()
                    .filter(is_open)
                    .count()
            })
            .iter()
            .sum()
    }

    /// Runs until nothing waits and nothing is in work; those that ended in error for a reason that is told are asked
    /// for once more, as an analyst would.
    pub(crate) fn settle(server: &Server, site: &Site) {
        let begun = now();
        loop {
            while Self::open(server) > 0 {
                assert!(
                    begun.elapsed() < LIMIT,
                    "records stay open: {:?}",
                    server.items("versao", "id,status,observacao,date_updated")
                );
                site.single_run();
                pause(Duration::from_millis(300));
            }
            let mut failed = 0;
            for item in server.items("versao", "id,status,observacao") {
                if item["status"] == "erro" {
                    let told = item["observacao"].as_str().unwrap_or_default();
                    assert!(told.contains("Erro: "), "no reason in {item}");
                    failed += 1;
                    server.change(
                        "versao",
                        &item["id"].to_string(),
                        &json!({ "status": "processar" }),
                    );
                }
            }
            for item in server.items("modelo_contrato", "id,status") {
                if item["status"] == "erro" {
                    failed += 1;
                    server.change(
                        "modelo_contrato",
                        &item["id"].to_string(),
                        &json!({ "status": "processar" }),
                    );
                }
            }
            if failed == 0 {
                return;
            }
        }
    }

    /// What must hold in the end: every result once, nothing lost, nothing left over, every decision as it was made.
    pub(crate) fn assert_right(&self, server: &Server) {
        let rows = server.items(
            "modificacao",
            "id,versao,sort,status,nota_analista,conteudo",
        );
        let tags = server.items("modelo_contrato_tag", "id,modelo_contrato,sort");
        let mut reports = BTreeSet::new();
        for version in server.items("versao", "id,status,observacao,relatorio_diff") {
            let id = version["id"].to_string();
            assert_eq!(version["status"], "concluido", "{version}");
            assert!(
                matches!(version["observacao"].as_str(), None | Some("")),
                "{version}"
            );
            let sorts = sorts_of(&rows, "versao", &version["id"]);
            let wanted: Vec<u64> = (1..=self.versions[&id] as u64).collect();
            assert_eq!(sorts, wanted, "rows of version {id}");
            assert!(reports.insert(version["relatorio_diff"].as_str().unwrap().to_owned()));
        }
        assert_eq!(reports.len(), self.versions.len());
        assert_eq!(
            rows.len(),
            self.versions.values().sum::<usize>(),
            "rows without a version"
        );
        for (id, count) in &self.models {
            let model: u64 = id.parse().unwrap();
            let wanted: Vec<u64> = (1..=*count as u64).collect();
            assert_eq!(
                sorts_of(&tags, "modelo_contrato", &json!(model)),
                wanted,
                "tags of model {id}"
            );
        }
        assert_eq!(
            tags.len(),
            self.models.values().sum::<usize>(),
            "tags without a model"
        );
        let clauses = server.items("clausula", "id,numero,modelo_contrato,tag.tag_nome");
        let linked = clauses
            .iter()
            .find(|clause| clause["numero"] == "1.2")
            .unwrap();
        assert_eq!(linked["tag"]["tag_nome"], "1.2", "{linked}");
        let files = server.items("directus_files", "id,type");
        let pages: BTreeSet<String> = files
            .iter()
            .filter(|file| file["type"] == "text/html")
            .map(|file| file["id"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(
            pages, reports,
            "reports that no version speaks of, or that are gone"
        );
        let by_id: BTreeMap<String, &Value> = rows
            .iter()
            .map(|row| (row["id"].to_string(), row))
            .collect();
        for (id, (status, note)) in &self.decisions {
            let row = by_id
                .get(id)
                .unwrap_or_else(|| panic!("the decided modification {id} is gone"));
            assert_eq!(
                (row["status"].as_str(), row["nota_analista"].as_str()),
                (Some(status.as_str()), Some(note.as_str())),
                "{row}"
            );
        }
    }
}

fn sorts_of(rows: &[Value], field: &str, id: &Value) -> Vec<u64> {
    let of_it = rows.iter().filter(|row| row[field] == *id);
    let mut sorts: Vec<u64> = of_it.map(|row| row["sort"].as_u64().unwrap()).collect();
    sorts.sort_unstable();
    sorts
}

/// The sum of the samples of `records_requests_total` with this result.
pub(crate) fn requests(metrics: &str, result: &str) -> u64 {
    let wanted = format!("result=\"{result}\"");
    let samples = metrics
        .lines()
        .filter(|line| line.starts_with("records_requests_total{") && line.contains(&wanted));
    samples
        .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
        .sum()
}
