//! The pages in a real browser: what changes live, what works by keyboard and without a script, what axe-core finds.
//!
//! Needs Debian's chromium and chromedriver, and axe-core from npm in `target/pecas`; `.ci/pacotes` installs them. Each
//! test has a service and a browser of its own, and ends with a look at the console and at who was asked for anything.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::chromium::Browser;
use crate::support::{LIMIT, Place, Running, processor, wait_until};

/// One that succeeds, one that fails while a file is there, one that says something and waits for a file.
fn three() -> Place {
    let fails = "echo detalhe; if test -e quebrado; then echo disco cheio >&2; exit 3; fi";
    let talks = "echo primeira; until test -e segue; do sleep 0.05; done; echo segunda linha; until test -e acaba; do sleep 0.05; done; echo fim";
    let config = "intervalo = \"300ms\"\n".to_owned()
        + &processor("bom", &["/bin/echo", "7 itens"], "rotulo = \"Bom rapaz\"")
        + &processor("vacila", &["sh", "-c", fails], "")
        + &processor("fala", &["sh", "-c", talks], "intervalo = \"1h\"");
    Place::with_config(&config)
}

/// The id of the run of `fala` that is in flight.
fn talking(running: &Running) -> String {
    wait_until("the run that waits", LIMIT, || {
        let page = running.get("/").body;
        let (_, card) = page.split_once("id=\"p-fala\"")?;
        let (card, _) = card.split_once("</article>")?;
        let (_, rest) = card.split_once("/execucoes/")?;
        rest.split_once('"').map(|(id, _)| id.to_owned())
    })
}

const HEADLINE: &str =
    "return document.querySelector('#estado h1').textContent.includes('falhando')";

#[tokio::test]
async fn a_failing_processor_stands_on_the_open_page_within_two_seconds_and_its_repair_too() {
    let place = three();
    let running = place.service(&[]);
    running.wait_for_cycles(1);
    let browser = Browser::open(&running).await;
    browser.go("/").await;
    browser
        .wait_for("return !document.getElementById('vivo').hidden")
        .await;
    browser
        .ask(
            "window.aberta = true; window.atrasos = [];
             new MutationObserver(() => {
                 const since = document.querySelector('#estado h1 time');
                 if (since && window.visto !== since.dateTime) {
                     window.visto = since.dateTime;
                     window.atrasos.push(Date.now() - Date.parse(since.dateTime));
                 }
             }).observe(document.body, { childList: true, subtree: true });",
        )
        .await;
    // A busy machine may be late once; not each time.
    for _ in 0..3 {
        place.write("quebrado", "");
        browser.wait_for(HEADLINE).await;
        let card = browser
            .ask("return document.getElementById('p-vacila').textContent")
            .await;
        assert!(card.as_str().unwrap().contains("disco cheio"), "{card}");
        std::fs::remove_file(place.join("quebrado")).unwrap();
        browser
            .wait_for(
                "return document.querySelector('#estado h1').textContent.includes('Tudo em ordem')",
            )
            .await;
    }
    let delays = browser.ask("return window.atrasos").await;
    let least = delays
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_i64)
        .min();
    assert!(least.is_some_and(|delay| delay <= 2000), "{delays}");
    assert_eq!(
        browser.ask("return window.aberta").await,
        true,
        "the page was loaded anew"
    );
    browser.close().await;
}

#[tokio::test]
async fn the_output_of_a_run_arrives_while_it_runs_is_searched_as_one_types_and_ends_in_its_facts()
{
    let place = three();
    let running = place.service(&[]);
    let id = talking(&running);
    let browser = Browser::open(&running).await;
    browser.go(&format!("/execucoes/{id}")).await;
    browser
        .wait_for("return document.getElementById('saida').textContent.includes('primeira')")
        .await;

    place.write("segue", "");
    browser
        .wait_for("return document.getElementById('saida').textContent.includes('segunda linha')")
        .await;
    let search = browser
        .client
        .find(fantoccini::Locator::Css("#busca"))
        .await
        .unwrap();
    search.send_keys("SEGUNDA").await.unwrap();
    let shown = browser
        .wait_for("return [...document.querySelectorAll('#saida tr:not([hidden]) .texto')].map((one) => one.textContent).join()")
        .await;
    assert_eq!(shown, "segunda linha");

    place.write("acaba", "");
    browser
        .wait_for("return document.querySelector('main').textContent.includes('Código de saída')")
        .await;
    let lines = browser
        .ask("return document.querySelectorAll('#saida tr').length")
        .await;
    assert_eq!(lines, 3);
    browser.close().await;
}

#[tokio::test]
async fn a_history_is_filtered_and_turned_over_by_hand() {
    let script = "echo um >> n; test $(wc -l < n) -le 55";
    let config = format!(
        "intervalo = \"10ms\"\n{}",
        processor("conta", &["sh", "-c", script], "")
    );
    let place = Place::with_config(&config);
    let running = place.service(&[]);
    running.wait_for_cycles(60);
    let browser = Browser::open(&running).await;
    browser.go("/processadores/conta").await;

    let select = browser
        .client
        .find(fantoccini::Locator::Css("select"))
        .await
        .unwrap();
    select.select_by_value("success").await.unwrap();
    let button = browser
        .client
        .find(fantoccini::Locator::Css("form.filtro button"))
        .await
        .unwrap();
    button.send_keys("\u{e007}").await.unwrap();
    browser
        .wait_for("return location.search.includes('success')")
        .await;
    let outcomes = "return [...new Set([...document.querySelectorAll('#execucoes .selo')].map((one) => one.textContent))].join()";
    assert_eq!(browser.wait_for(outcomes).await, "sucesso");
    let older = browser
        .client
        .find(fantoccini::Locator::LinkText("mais antigas »"))
        .await
        .unwrap();
    older.click().await.unwrap();
    browser
        .wait_for("return location.search.includes('antes=')")
        .await;
    browser
        .wait_for("return document.querySelectorAll('#execucoes tbody tr').length === 5")
        .await;
    assert_eq!(browser.wait_for(outcomes).await, "sucesso");
    browser.close().await;
}

#[tokio::test]
async fn times_are_in_the_viewers_zone_with_the_exact_value_on_hover() {
    let place = three();
    let running = place.service(&[]);
    running.wait_for_cycles(1);
    let browser = Browser::open(&running).await;
    let zone = json!({ "timezoneId": "Asia/Kathmandu" });
    browser
        .devtools("Emulation.setTimezoneOverride", zone)
        .await;
    browser.go("/").await;
    let shown = browser
        .wait_for("const one = document.querySelector('#p-bom dd time'); return [one.dateTime, one.textContent, one.title]")
        .await;
    let at: jiff::Timestamp = shown[0].as_str().unwrap().parse().unwrap();
    let there = at.in_tz("Asia/Kathmandu").unwrap();
    let text = shown[1].as_str().unwrap();
    assert!(
        text.ends_with(&there.strftime("%H:%M:%S").to_string()),
        "{shown}"
    );
    let exact = there
        .strftime("%d/%m/%Y %H:%M:%S,%3f (UTC+05:45)")
        .to_string();
    assert_eq!(shown[2], exact.as_str());
    browser.close().await;
}

#[tokio::test]
async fn without_a_script_everything_can_be_read() {
    let place = three();
    place.write("quebrado", "");
    let running = place.service(&[]);
    running.wait_for_cycles(2);
    let browser = Browser::open(&running).await;
    let off = json!({ "value": true });
    browser
        .devtools("Emulation.setScriptExecutionDisabled", off)
        .await;
    let text = async |path: &str| {
        browser.go(path).await;
        let body = browser
            .client
            .find(fantoccini::Locator::Css("body"))
            .await
            .unwrap();
        body.text().await.unwrap()
    };
    let overview = text("/").await;
    for words in [
        "1 processador falhando desde",
        "disco cheio",
        "Bom rapaz",
        "7 itens",
        "recarregue-a",
        "Próximo ciclo",
    ] {
        assert!(
            overview.contains(words),
            "{words:?} is missing in {overview}"
        );
    }
    let history = text("/processadores/vacila?resultado=failure").await;
    assert!(
        history.contains("disco cheio") && history.contains("Filtrar"),
        "{history}"
    );
    let run = format!("/execucoes/{}", talking(&running));
    // Nothing comes to this page later.
    wait_until("its first line", LIMIT, || {
        running.get(&run).body.contains("primeira").then_some(())
    });
    let run = text(&run).await;
    assert!(
        run.contains("primeira") && run.contains("em execução"),
        "{run}"
    );
    let documents = text("/documentos").await;
    assert!(documents.contains("Nenhum registro"), "{documents}");
    browser.close().await;
}

#[tokio::test]
async fn every_page_is_reached_by_keyboard_past_the_navigation() {
    let place = three();
    let running = place.service(&[]);
    running.wait_for_cycles(1);
    let browser = Browser::open(&running).await;
    browser.go("/").await;
    let active = browser.client.active_element().await.unwrap();
    active.send_keys("\u{e004}").await.unwrap();
    let focused = "return document.activeElement.textContent";
    assert_eq!(browser.ask(focused).await, "Ir para o conteúdo");
    let link = browser.client.active_element().await.unwrap();
    link.send_keys("\u{e007}").await.unwrap();
    browser
        .wait_for("return location.hash === '#conteudo'")
        .await;
    // The focus survives that its part is replaced.
    browser.ask("document.querySelector('#p-bom h3 a').focus(); window.velho = document.getElementById('p-bom')").await;
    browser
        .wait_for("return window.velho !== document.getElementById('p-bom')")
        .await;
    assert_eq!(
        browser
            .ask("return document.activeElement.getAttribute('href')")
            .await,
        "/processadores/bom"
    );
    browser.close().await;
}

fn axe() -> String {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("target/pecas/node_modules/axe-core/axe.min.js");
    std::fs::read_to_string(&file).unwrap_or_else(|error| {
        panic!("{}: {error}; .ci/pacotes installs axe-core", file.display())
    })
}

/// What axe-core finds on the page that is open; panics on what is serious or critical.
async fn assert_accessible(browser: &Browser, axe: &str, what: &str) {
    browser.client.execute(axe, Vec::new()).await.unwrap();
    let run = "const done = arguments[arguments.length - 1];
        const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
        axe.run(document, { runOnly: { type: 'tag', values: tags } })
            .then((found) => done([found.passes.length, found.violations.map((one) =>
                [one.impact, one.id, one.help, one.nodes.slice(0, 3).map((node) => node.html + ' ' + node.failureSummary)])]));";
    let found = browser.client.execute_async(run, Vec::new()).await.unwrap();
    assert!(
        found[0].as_u64().is_some_and(|passed| passed > 10),
        "{what}: {found}"
    );
    let is_grave = |one: &&Value| one[0] == "serious" || one[0] == "critical";
    let grave: Vec<_> = found[1]
        .as_array()
        .unwrap()
        .iter()
        .filter(is_grave)
        .collect();
    assert!(grave.is_empty(), "{what}: {grave:#?}");
}

#[tokio::test]
async fn axe_core_finds_nothing_serious_on_any_page_light_dark_or_narrow() {
    let axe = axe();
    let place = three();
    place.write("quebrado", "");
    let running = place.service(&["--exemplos"]);
    running.wait_for_cycles(3);
    let examples = examples(&running);
    let live = talking(&running);
    let history = running.get("/processadores/vacila").body;
    let failed = history
        .split("/execucoes/")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let paths = [
        "/",
        "/processadores/vacila",
        "/processadores/vacila?resultado=timeout",
        &format!("/execucoes/{failed}"),
        &format!("/execucoes/{live}"),
        "/documentos",
        "/runbooks",
        &examples[0],
        &examples[1],
    ];
    let browser = Browser::open(&running).await;
    for (look, scheme, width) in [("light", "light", 1280), ("dark and narrow", "dark", 360)] {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        browser
            .devtools("Emulation.setEmulatedMedia", features)
            .await;
        let screen =
            json!({ "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false });
        browser
            .devtools("Emulation.setDeviceMetricsOverride", screen)
            .await;
        for path in paths {
            browser.go(path).await;
            assert_accessible(&browser, &axe, &format!("{path}, {look}")).await;
            let overflow = browser
                .ask("return document.documentElement.scrollWidth - innerWidth")
                .await;
            assert!(
                overflow.as_i64().unwrap() <= 0,
                "{path}, {look}: {overflow} px too wide"
            );
        }
        let unknown = "/processadores/desconhecido";
        browser.go(unknown).await;
        assert_accessible(&browser, &axe, &format!("{unknown}, {look}")).await;
        let complaints = browser.complaints().await;
        let message = complaints[0]["message"].as_str().unwrap();
        assert!(
            complaints.len() == 1 && message.contains("404"),
            "{complaints:#?}"
        );
    }
    browser.close().await;
}

/// A model and a version of the example documents, once they are there.
fn examples(running: &Running) -> [String; 2] {
    wait_until("the example documents", LIMIT, || {
        let page = running.get("/documentos").body;
        let first = |what: &str| {
            page.split('"')
                .find(|text| text.starts_with(what))
                .map(str::to_owned)
        };
        Some([
            first("/documentos/modelos/")?,
            first("/documentos/versoes/")?,
        ])
    })
}
