//! The document of the API, made from the types and the comments of the code. Refuses to leave anything open: every key
//! of an answer is always there, and there are no others.

use std::sync::LazyLock;

use axum::http::{HeaderName, header};
use serde_json::{Map, Value, json};
use utoipa::OpenApi;

use super::{agenda, history};
use crate::http::problem::{self, Problem};
use crate::http::{EVENTS, health, metrics, pages, status};

/// What is described by its own code.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Orquestrador de Processadores",
        description = "Read-only views: GET and HEAD. Keys are Portuguese, \
        words of closed sets English. Pages of history come newest first; `proximo` of one is `antes` of the next."
    ),
    paths(
        health::health,
        health::healthy,
        health::ready,
        status::status,
        status::logs,
        metrics::metrics,
        history::cycles,
        history::runs,
        history::run,
        agenda::planned,
        document
    ),
    components(schemas(Problem))
)]
struct Described;

static DOCUMENT: LazyLock<String> = LazyLock::new(|| whole().to_string());

/// This document
#[utoipa::path(get, path = "/api/openapi.json", tag = "documento", responses(
    (status = 200, description = "OpenAPI 3.1", body = Value, content_type = "application/json")))]
pub(super) async fn document() -> ([(HeaderName, &'static str); 1], &'static str) {
    ([(header::CONTENT_TYPE, "application/json")], &DOCUMENT)
}

/// What may be answered everywhere: the code, the name, what it means.
const EVERYWHERE: [(&str, &str, &str); 4] = [
    (
        "401",
        "Unauthorized",
        "User and password are missing or wrong",
    ),
    ("421", "Misdirected", "Called by a name that is not ours"),
    ("429", "Busy", "Too many attempts to log in"),
    (
        "503",
        "Unavailable",
        "No answer now; the reason is in `detail`",
    ),
];

fn whole() -> Value {
    let mut whole = serde_json::to_value(Described::openapi()).unwrap_or_default();
    if let Some(Value::Object(schemas)) = whole.pointer_mut("/components/schemas") {
        join(schemas);
        schemas.values_mut().for_each(close);
    }
    if let Some(Value::Object(components)) = whole.get_mut("components") {
        let refusals = EVERYWHERE.iter().chain(&ASKED);
        let refusals: Map<_, _> = refusals
            .map(|(_, name, meaning)| ((*name).to_owned(), refusal(meaning)))
            .collect();
        components.insert("responses".to_owned(), refusals.into());
        let basic = json!({ "basic": { "type": "http", "scheme": "basic" } });
        components.insert("securitySchemes".to_owned(), basic);
    }
    if let Some(Value::Object(paths)) = whole.get_mut("paths") {
        let others = [EVENTS, pages::assets::ROUTE];
        for route in pages::ROUTES.into_iter().chain(others) {
            paths.insert(route.to_owned(), json!({ "get": described_page(route) }));
        }
        for item in paths.values_mut().filter_map(Value::as_object_mut) {
            add_refusals(item);
            add_head(item);
        }
    }
    // Without users in the web configuration nobody has to say who they are.
    whole["security"] = json!([{}, { "basic": [] }]);
    whole
}

/// What may be answered where something was asked for.
const ASKED: [(&str, &str, &str); 2] = [
    ("400", "BadRequest", "A parameter is wrong or unknown"),
    ("404", "NotFound", "It is not there"),
];

/// Types that hold another as a part of themselves are one object each.
fn join(schemas: &mut Map<String, Value>) {
    let before = schemas.clone();
    for schema in schemas.values_mut() {
        let Some(Value::Array(parts)) = schema.get("allOf") else {
            continue;
        };
        let name = |part: &Value| {
            let reference = part.get("$ref")?.as_str()?;
            Some(reference.rsplit('/').next()?.to_owned())
        };
        let whole_part = |part: &Value| name(part).and_then(|name| before.get(&name).cloned());
        let mut properties = Map::new();
        for part in parts {
            let part = whole_part(part).unwrap_or_else(|| part.clone());
            if let Some(Value::Object(more)) = part.get("properties") {
                properties.extend(more.clone());
            }
        }
        let description = schema.get("description").cloned().unwrap_or_default();
        *schema = json!({ "type": "object", "description": description, "properties": properties });
    }
}

/// Every key is always there, and there are no others.
fn close(schema: &mut Value) {
    let Some(Value::Object(properties)) = schema.get("properties") else {
        return;
    };
    let keys: Vec<_> = properties.keys().cloned().collect();
    schema["required"] = keys.into();
    schema["additionalProperties"] = false.into();
}

fn refusal(meaning: &str) -> Value {
    json!({ "description": meaning, "content": problem_content() })
}

fn text(media_type: &str) -> (String, Value) {
    let schema = json!({ "schema": { "type": "string" } });
    (media_type.to_owned(), schema)
}

fn problem_content() -> Value {
    json!({ problem::MEDIA_TYPE: { "schema": { "$ref": "#/components/schemas/Problem" } } })
}

/// What is meant for people and their browsers; what they do not find or get, they are told on a page.
fn described_page(route: &str) -> Value {
    let media_types: &[_] = match route {
        EVENTS => &["text/event-stream"],
        pages::assets::ROUTE => &["text/css", "text/javascript", "image/svg+xml"],
        output if output.ends_with("saida.txt") => &["text/plain"],
        _ => &["text/html"],
    };
    let content: Map<_, _> = media_types.iter().map(|kind| text(kind)).collect();
    let page = Map::from_iter([text("text/html")]);
    let names = route.split('{').skip(1);
    let names = names.filter_map(|rest| Some(rest.split_once('}')?.0));
    let parameter = |name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } });
    json!({
        "tags": ["páginas"],
        "summary": "For people",
        "operationId": format!("page{}", route.replace(['/', '{', '}', '.'], "_")),
        "parameters": names.map(parameter).collect::<Vec<_>>(),
        "responses": {
            "200": { "description": "What they see", "content": content },
            "400": { "description": "The address is no text", "content": {} },
            "404": { "description": "It is not there", "content": page },
            "503": { "description": "No answer now", "content": page },
        },
    })
}

fn add_refusals(item: &mut Map<String, Value>) {
    let Some(Value::Object(operation)) = item.get_mut("get") else {
        return;
    };
    let places: Vec<_> = operation
        .get("parameters")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|parameter| parameter.get("in")?.as_str().map(str::to_owned))
        .collect();
    let is_asked = |(code, ..): &&(&str, &str, &str)| {
        let place = if *code == "400" { "query" } else { "path" };
        places.iter().any(|found| found == place)
    };
    let Some(Value::Object(responses)) = operation.get_mut("responses") else {
        return;
    };
    for (code, name, _) in EVERYWHERE.iter().chain(ASKED.iter().filter(is_asked)) {
        let known = responses.get_mut(*code);
        let content = known.and_then(|known| known.get_mut("content")?.as_object_mut());
        if let (Some(content), Value::Object(problem)) = (content, problem_content()) {
            content.extend(problem);
        } else {
            let reference = json!({ "$ref": format!("#/components/responses/{name}") });
            responses.insert((*code).to_owned(), reference);
        }
    }
}

/// What is answered to GET is answered to HEAD, without its body.
fn add_head(item: &mut Map<String, Value>) {
    let Some(mut head) = item.get("get").cloned() else {
        return;
    };
    if let Some(Value::String(id)) = head.get_mut("operationId") {
        id.push_str("_head");
    }
    let responses = head.get_mut("responses").and_then(Value::as_object_mut);
    for (code, response) in responses.into_iter().flatten() {
        let refusals = EVERYWHERE.iter().chain(&ASKED);
        let meaning = refusals
            .filter(|(known, ..)| known == code)
            .map(|known| known.2);
        let said = response.get("description").cloned();
        let meaning = said.or_else(|| meaning.map(Value::from).next());
        *response = json!({ "description": meaning });
    }
    item.insert("head".to_owned(), head);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_stands_in_the_document_and_no_other() {
        let whole = whole();
        assert_eq!(whole["openapi"], "3.1.0");
        let mut described: Vec<_> = whole["paths"].as_object().expect("paths").keys().collect();
        let mut expected: Vec<_> = crate::http::known_routes().collect();
        described.sort();
        expected.sort_unstable();
        assert_eq!(described, expected);
        for (path, item) in whole["paths"].as_object().expect("paths") {
            let methods: Vec<_> = item.as_object().expect("an item").keys().collect();
            assert_eq!(methods, ["get", "head"], "{path}");
        }
    }

    #[test]
    fn every_object_of_an_answer_has_all_its_keys_and_no_others() {
        let whole = whole();
        let schemas = whole["components"]["schemas"].as_object().expect("schemas");
        let mut objects = 0;
        for (name, schema) in schemas {
            assert!(schema.get("allOf").is_none(), "{name}");
            let Some(properties) = schema.get("properties") else {
                continue;
            };
            objects += 1;
            let count = properties.as_object().expect("properties").len();
            assert_eq!(
                schema["required"].as_array().expect("keys").len(),
                count,
                "{name}"
            );
            assert_eq!(schema["additionalProperties"], false, "{name}");
        }
        assert!(objects > 15, "{objects}");
        let details = &schemas["RunDetailsReport"]["properties"];
        assert!(details["linhas"].is_object() && details["processador"].is_object());
    }
}
