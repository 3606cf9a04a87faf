//! The pages for people, as a browser without a script meets them, and their live events.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use crate::support::{LIMIT, Place, Running, now, processor, request_with, wait_until};

/// A reader of live events, and what it has read.
struct Reader {
    stream: TcpStream,
    text: String,
}

impl Reader {
    fn open(running: &Running, path: &str) -> Self {
        let address = running.address();
        let mut stream = TcpStream::connect(address).unwrap();
        stream
            .set_read_timeout(Some(std::time::Duration::from_millis(100)))
            .unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: text/event-stream\r\n\r\n"
        )
        .unwrap();
        Self {
            stream,
            text: String::new(),
        }
    }

    /// What was read when it contains `words`; panics when that does not come.
    fn wait_for(&mut self, words: &str) -> &str {
        let start = now();
        while !self.text.contains(words) {
            assert!(start.elapsed() < LIMIT, "no {words:?} in {}", self.text);
            assert!(
                self.read(),
                "the stream ended without {words:?}: {}",
                self.text
            );
        }
        &self.text
    }

    /// Whether the stream went on.
    fn read(&mut self) -> bool {
        let mut buffer = [0; 8192];
        match self.stream.read(&mut buffer) {
            Ok(0) => false,
            Ok(length) => {
                self.text
                    .push_str(&String::from_utf8_lossy(&buffer[..length]));
                true
            }
            Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        }
    }
}

/// The id of the first run that the page at `path` links to.
fn first_run(running: &Running, path: &str) -> String {
    wait_until("a link to a run", LIMIT, || {
        let page = running.get(path).body;
        let (_, rest) = page.split_once("/execucoes/")?;
        rest.split_once('"').map(|(id, _)| id.to_owned())
    })
}

fn good_and_bad() -> Place {
    let bad = "echo detalhe; echo disco cheio >&2; test -e consertado || exit 3";
    let config = processor("bom", &["/bin/echo", "7 itens"], "rotulo = \"Bom rapaz\"")
        + &processor(
            "mau",
            &["sh", "-c", bad],
            "tentativas = 2\nespera = \"10ms\"",
        );
    Place::with_config(&config)
}

#[test]
fn the_overview_says_who_fails_since_when_and_why_and_its_cards_lead_to_history_and_output() {
    let place = good_and_bad();
    let running = place.service(&[]);
    running.wait_for_cycles(1);

    let page = running.get("/").body;

    for words in [
        "1 processador falhando",
        "código 3",
        "disco cheio",
        "Bom rapaz",
        "7 itens",
        "100 % de 1",
        "0 % de 1",
        "Próximo ciclo",
        "Últimos ciclos",
        "<td>início</td>",
    ] {
        assert!(page.contains(words), "{words:?} is missing in {page}");
    }
    let history = running.get("/processadores/mau").body;
    assert!(
        history.contains("disco cheio") && history.contains("Tempo limite"),
        "{history}"
    );
    let id = first_run(&running, "/processadores/mau");
    let run = running.get(&format!("/execucoes/{id}")).body;
    for words in ["Tentativas", "detalhe", "disco cheio", "stderr", "código 3"] {
        assert!(run.contains(words), "{words:?} is missing in {run}");
    }
    // Shorter it could be that of the other run too, which began in the same millisecond or so.
    let short = running.get(&format!("/execucoes/{}", id.get(..23).unwrap()));
    assert_eq!(short.code, 200, "the beginning of an id is enough");
}

#[test]
fn a_history_is_filtered_by_outcome_and_its_pages_lead_to_the_oldest_run() {
    let place = Place::with_config(&format!(
        "intervalo = \"10ms\"\n{}",
        processor(
            "conta",
            &["sh", "-c", "echo um >> n; test $(wc -l < n) -le 60"],
            ""
        )
    ));
    let running = place.service(&[]);
    running.wait_for_cycles(65);

    let failed = running.get("/processadores/conta?resultado=failure").body;
    let (_, table) = failed.split_once("id=\"execucoes\"").unwrap();
    let (table, _) = table.split_once("</table>").unwrap();
    assert!(
        table.contains("#s-failure") && !table.contains("#s-success"),
        "{table}"
    );
    let mut path = "/processadores/conta?resultado=success".to_owned();
    let mut found = 0;
    let mut pages = 0;
    loop {
        let page = running.get(&path).body;
        let (_, table) = page.split_once("id=\"execucoes\"").unwrap();
        let (table, rest) = table.split_once("</table>").unwrap();
        found += table.matches("/execucoes/").count();
        pages += 1;
        let older = rest.split("href=\"?resultado=success&amp;antes=").nth(1);
        let Some(older) = older else { break };
        let (id, _) = older.split_once('"').unwrap();
        path = format!("/processadores/conta?resultado=success&antes={id}");
    }
    assert_eq!((found, pages), (60, 2));
    for nonsense in [
        "?resultado=nada",
        "?antes='--",
        "?resultado=success&antes=%00",
    ] {
        let page = running.get(&format!("/processadores/conta{nonsense}"));
        assert_eq!(page.code, 200, "{nonsense}");
    }
}

#[test]
fn output_is_searched_without_a_script_and_downloaded_as_it_was_written() {
    let script = "echo maçã; echo '<b>pera</b>'; echo Maçã verde";
    let place = Place::with_config(&processor("frutas", &["sh", "-c", script], ""));
    let running = place.service(&[]);
    running.wait_for_cycles(1);
    let id = first_run(&running, "/processadores/frutas");

    let found = running
        .get(&format!("/execucoes/{id}?busca=ma%C3%A7%C3%A3"))
        .body;
    assert!(
        found.contains("2 de 3 linhas") && found.contains("Maçã verde"),
        "{found}"
    );
    let (_, table) = found.split_once("class=\"saida\"").unwrap();
    assert!(!table.contains("pera"), "{table}");
    let all = running.get(&format!("/execucoes/{id}")).body;
    assert!(
        all.contains("&lt;b&gt;pera&lt;/b&gt;") && !all.contains("<b>pera"),
        "{all}"
    );

    let plain = running.get(&format!("/execucoes/{id}/saida.txt"));
    assert_eq!(plain.body, "maçã\n<b>pera</b>\nMaçã verde\n");
    assert!(
        plain.header("content-type").starts_with("text/plain"),
        "{plain:?}"
    );
    assert!(
        plain
            .header("content-disposition")
            .starts_with("attachment"),
        "{plain:?}"
    );
}

#[test]
fn pages_forbid_what_is_not_theirs_and_answer_404_in_words() {
    let place = good_and_bad();
    let running = place.service(&[]);
    running.wait_for_cycles(1);
    for path in ["/", "/processadores/bom", "/documentos"] {
        let response = running.get(path);
        let policy = response.header("content-security-policy");
        assert!(
            policy.contains("default-src 'none'") && policy.contains("script-src 'self'"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe"), "{policy}");
        let page = &response.body;
        assert!(
            !page.contains("style=\"") && !page.contains("<style") && !page.contains("onclick"),
            "{page}"
        );
        assert!(
            !page.contains("src=\"http") && !page.contains("href=\"http"),
            "{page}"
        );
    }
    for path in [
        "/processadores/ninguem",
        "/processadores/..%2f",
        "/execucoes/00000000-0000-7000-8000-000000000000",
        "/execucoes/zz",
        "/execucoes/%25",
        "/execucoes/0000/saida.txt",
        "/documentos/modelos/99",
        "/documentos/modelos/x'y",
        "/documentos/versoes/99",
        "/documentos/versoes/99/relatorio",
    ] {
        let response = running.get(path);
        assert_eq!(response.code, 404, "{path}");
        assert!(
            response.body.contains("Não encontrado"),
            "{path}: {}",
            response.body
        );
    }
    assert_eq!(running.get("/estatico/nada.js").code, 404);
}

#[test]
fn style_and_script_may_be_kept_for_ever_and_everything_is_compressed_for_who_takes_it() {
    let place = good_and_bad();
    let running = place.service(&[]);
    let page = running.get("/").body;
    let files: Vec<_> = page
        .split('"')
        .filter(|text| text.starts_with("/estatico/"))
        .collect();
    assert_eq!(files.len(), 3, "{files:?}");
    for file in files {
        let answer = running.get(file);
        assert_eq!(answer.code, 200, "{file}");
        assert!(
            answer.header("cache-control").contains("immutable"),
            "{answer:?}"
        );
        let packed = request_with(
            running.address(),
            "GET",
            file,
            &[("Accept-Encoding", "gzip")],
        );
        assert_eq!(packed.header("content-encoding"), "gzip");
        assert!(packed.bytes.len() < answer.bytes.len(), "{file}");
    }
    let packed = request_with(
        running.address(),
        "GET",
        "/",
        &[("Accept-Encoding", "gzip")],
    );
    assert_eq!(packed.header("content-encoding"), "gzip");
    assert_eq!(running.get("/").header("cache-control"), "no-store");
}

#[test]
fn a_failure_and_its_repair_are_told_to_who_reads_the_events_and_a_stop_ends_them() {
    let place = Place::with_config(&format!(
        "intervalo = \"200ms\"\n{}",
        processor("vacila", &["sh", "-c", "test -e bom"], "")
    ));
    place.write("bom", "");
    let running = place.service(&[]);
    running.wait_for_cycles(1);
    let mut reader = Reader::open(&running, "/eventos");
    let text = reader.wait_for("p-vacila");
    assert!(
        text.contains("text/event-stream") && text.contains("Tudo em ordem"),
        "{text}"
    );

    std::fs::remove_file(place.join("bom")).unwrap();
    reader.wait_for("1 processador falhando");
    reader.text.clear();
    place.write("bom", "");
    reader.wait_for("Tudo em ordem");

    running.stop().assert_code(0);
    let start = now();
    while reader.read() {
        assert!(start.elapsed() < LIMIT, "the stream goes on after the stop");
    }
}

#[test]
fn the_output_of_a_run_comes_while_it_runs_masked_and_its_end_is_told() {
    let script = "echo senha $MEU_TOKEN; echo primeira; until test -e segue; do sleep 0.05; done; echo segunda; until test -e acaba; do sleep 0.05; done";
    let more = "ambiente = { MEU_TOKEN = \"pera-55\" }";
    let place = Place::with_config(&processor("fala", &["sh", "-c", script], more));
    let running = place.service(&[]);
    let id = first_run(&running, "/");
    let page = wait_until("the first line", LIMIT, || {
        let page = running.get(&format!("/execucoes/{id}")).body;
        page.contains("primeira").then_some(page)
    });
    assert!(
        page.contains("em execução") && page.contains("***") && !page.contains("pera-55"),
        "{page}"
    );
    let plain = running.get(&format!("/execucoes/{id}/saida.txt")).body;
    assert_eq!(plain, "senha ***\nprimeira\n");

    let mut reader = Reader::open(&running, &format!("/eventos?execucao={id}&de=2"));
    place.write("segue", "");
    let text = reader.wait_for("segunda").to_owned();
    assert!(!text.contains("primeira"), "it was seen already: {text}");
    place.write("acaba", "");
    reader.wait_for("event: fim");
    let page = running.get(&format!("/execucoes/{id}")).body;
    assert!(
        page.contains("segunda") && page.contains("sucesso"),
        "{page}"
    );
    let mut late = Reader::open(&running, &format!("/eventos?execucao={id}"));
    late.wait_for("event: fim");
}

#[test]
fn no_more_readers_of_events_are_let_in_than_there_are_places() {
    let place = good_and_bad();
    let running = place.service(&[]);
    let mut readers: Vec<_> = (0..512)
        .map(|_| Reader::open(&running, "/eventos"))
        .collect();
    for reader in &mut readers {
        reader.wait_for("event: partes");
    }
    let refused = running.get("/eventos");
    assert_eq!((refused.code, refused.header("retry-after")), (503, "30"));
    assert_eq!(
        running.get("/").code,
        200,
        "pages are answered all the same"
    );
    readers.pop();
    wait_until("a free place", LIMIT, || {
        let mut reader = Reader::open(&running, "/eventos");
        for _ in 0..20 {
            if reader.text.len() >= 12 || !reader.read() {
                break;
            }
        }
        reader.text.starts_with("HTTP/1.1 200").then_some(())
    });
}

#[test]
fn after_a_restart_the_cards_know_the_day_before() {
    let place = good_and_bad();
    let running = place.service(&["--intervalo", "50ms"]);
    running.wait_for_cycles(5);
    running.stop().assert_code(0);

    let running = place.service(&["--intervalo", "1h"]);
    running.wait_for_cycles(1);
    let rate = wait_until("more runs than this start's", LIMIT, || {
        let page = running.get("/processadores/bom").body;
        let (_, rest) = page.split_once("100 % de ")?;
        let (count, _) = rest.split_once('<')?;
        let count: u64 = count.parse().ok()?;
        (count >= 6).then_some(count)
    });
    assert!(rate >= 6, "{rate}");
}

#[test]
fn the_store_is_shown_with_problems_modifications_and_a_report_that_is_confined() {
    let place = Place::new();
    let running = place.service(&["--exemplos"]);
    running.wait_for_cycles(1);
    let documents = wait_until("a report", LIMIT, || {
        let page = running.get("/documentos").body;
        page.contains("/relatorio\"").then_some(page)
    });
    for words in [
        "Modelos de contrato",
        "Registros por status",
        "concluido",
        "embutido",
    ] {
        assert!(
            documents.contains(words),
            "{words:?} is missing in {documents}"
        );
    }
    let model = documents.split("/documentos/modelos/").nth(1).unwrap();
    let (model, _) = model.split_once('"').unwrap();
    let model = running.get(&format!("/documentos/modelos/{model}"));
    assert_eq!(model.code, 200);
    assert!(
        model.body.contains("Problemas") && model.body.contains("<code>"),
        "{}",
        model.body
    );

    let report = documents
        .split('"')
        .find(|text| text.ends_with("/relatorio"))
        .unwrap();
    let version = report.trim_end_matches("/relatorio");
    let version = running.get(version);
    assert!(
        version.code == 200 && version.body.contains("Modificações"),
        "{}",
        version.body
    );
    let report = running.get(report);
    assert!(
        report.code == 200 && report.body.contains("</html>"),
        "{}",
        report.code
    );
    let policy = report.header("content-security-policy");
    assert!(
        policy.starts_with("sandbox;") && policy.contains("default-src 'none'"),
        "{policy}"
    );
}
