//! The API's description: made from the handlers, joined with the documents of schemas/v1.

use std::sync::LazyLock;

use axum::http::header;
use axum::response::IntoResponse;
use serde_json::{Value, json};
use utoipa::PartialSchema;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, OpenApi, OpenApiBuilder, SecurityRequirement, ServerBuilder};

/// Documents of schemas/v1 that the API answers lists of.
const LISTED: [&str; 3] = ["lead.json", "contact.json", "conversation.json"];

/// This description, as `OpenAPI` 3.1 says it. It needs no token.
#[utoipa::path(get, path = "/openapi.json", tag = "api", security(()), responses((status = 200, description = "this document", body = Object)))]
pub(super) async fn document() -> impl IntoResponse {
    static TEXT: LazyLock<String> = LazyLock::new(|| whole().to_string());
    ([(header::CONTENT_TYPE, "application/json")], TEXT.as_str())
}

/// What stands before the routes.
pub(super) fn head() -> OpenApi {
    let token = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    OpenApiBuilder::new()
        .info(InfoBuilder::new().title("Patchbay").version(env!("CARGO_PKG_VERSION")).description(Some(ABOUT)).build())
        .servers(Some([ServerBuilder::new().url("/api/v1").build()]))
        .components(Some(ComponentsBuilder::new().security_scheme("token", token).build()))
        .security(Some([SecurityRequirement::new("token", Vec::<String>::new())]))
        .build()
}

const ABOUT: &str = "The operator API of a Patchbay hub. Every request but the one for this document carries \
    `Authorization: Bearer pb_…`; a token opens one workspace, and what belongs to another one is not there. \
    Lists answer `items` and `next`: the `cursor` of the next page, or null. \
    Whatever goes wrong is answered as `application/problem+json` (component `Problem`) with a stable `code`.";

/// The whole description: routes, and the documents of schemas/v1 under their file names.
pub(super) fn whole() -> Value {
    let described = super::described().into_openapi();
    let mut document = serde_json::to_value(&described).expect("a description is plain JSON");
    let schemas = &mut document["components"]["schemas"];
    for (name, text) in patchbay_schemas::V1 {
        schemas[name] = serde_json::from_str(text).expect("the schemas are tested to be JSON");
    }
    for name in LISTED {
        let items = json!({ "type": "array", "items": { "$ref": format!("#/components/schemas/{name}") } });
        let properties = json!({ "items": items, "next": { "type": ["string", "null"], "description": "The `cursor` of the next page." } });
        schemas[format!("page.{name}")] = json!({ "type": "object", "required": ["items", "next"], "properties": properties });
    }
    schemas["Problem"] = serde_json::to_value(crate::http::error::Problem::schema()).expect("a schema is plain JSON");
    schemas["Fault"] = serde_json::to_value(crate::setup::Fault::schema()).expect("a schema is plain JSON");
    document["components"]["responses"] = json!({ "Problem": {
        "description": "What went wrong",
        "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
    } });
    let paths = document["paths"].as_object_mut().into_iter().flatten();
    for (_, operation) in paths.filter_map(|(_, it)| it.as_object_mut()).flatten() {
        operation["responses"]["default"] = json!({ "$ref": "#/components/responses/Problem" });
    }
    document
}
