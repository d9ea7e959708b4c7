//! Schemas on the page.

use serde_json::Value;

use super::inline::{Inline, members, prose, text, written};

/// Words that say more about a value than its type does, and the words before their values.
const LIMITS: [(&str, &str); 8] = [
    ("minimum", "at least "),
    ("maximum", "at most "),
    ("minLength", "characters at least "),
    ("maxLength", "characters at most "),
    ("minItems", "items at least "),
    ("maxItems", "items at most "),
    ("pattern", "pattern "),
    ("default", "default "),
];

/// A schema that has a name.
pub(super) struct Schema<'d> {
    pub(super) name: &'d str,
    pub(super) description: Vec<Inline<'d>>,
    pub(super) shape: Shape<'d>,
}

pub(super) enum Shape<'d> {
    Object {
        properties: Vec<Property<'d>>,
        is_closed: bool,
    },
    /// Constants, each with its meaning.
    Choices(Vec<(Inline<'d>, Inline<'d>)>),
    Other(Inline<'d>),
}

pub(super) struct Property<'d> {
    pub(super) name: &'d str,
    pub(super) is_required: bool,
    pub(super) is_read_only: bool,
    pub(super) kind: Inline<'d>,
    pub(super) description: Inline<'d>,
}

/// Returns all schemas of the document.
pub(super) fn all(document: &Value) -> Vec<Schema<'_>> {
    members(&document["components"]["schemas"])
        .map(|(name, schema)| Schema {
            name,
            description: prose(&schema["description"]),
            shape: Shape::of(schema),
        })
        .collect()
}

impl<'d> Shape<'d> {
    fn of(schema: &'d Value) -> Self {
        if schema["properties"].is_object() {
            return Self::Object {
                properties: members(&schema["properties"])
                    .map(|(name, property)| Property::of(schema, name, property))
                    .collect(),
                is_closed: schema["additionalProperties"] == false,
            };
        }
        match schema["oneOf"].as_array() {
            Some(choices) => Self::Choices(
                choices
                    .iter()
                    .map(|choice| (shown(choice), Inline::of(&choice["description"])))
                    .collect(),
            ),
            None => Self::Other(shown(schema)),
        }
    }
}

impl<'d> Property<'d> {
    fn of(schema: &'d Value, name: &'d str, property: &'d Value) -> Self {
        let mut required = schema["required"].as_array().into_iter().flatten();
        Self {
            name,
            is_required: required.any(|required| required == name),
            is_read_only: property["readOnly"] == true,
            kind: shown(property),
            description: Inline::of(&property["description"]),
        }
    }
}

/// Returns a schema within a line, without its description.
pub(super) fn shown(schema: &Value) -> Inline<'_> {
    let mut line = Inline::default();
    add(&mut line, schema);
    line
}

fn add<'d>(line: &mut Inline<'d>, schema: &'d Value) {
    let alternatives = ["anyOf", "oneOf", "allOf"]
        .iter()
        .find_map(|word| schema[*word].as_array());
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap_or_default();
        line.link(format!("#schema-{name}"), name);
    } else if let Some(alternatives) = alternatives {
        separated(line, alternatives, " or ", add);
    } else if schema.get("const").is_some() {
        line.code(written(&schema["const"]));
    } else if let Some(values) = schema["enum"].as_array() {
        separated(line, values, ", ", |line, value| line.code(written(value)));
    } else if schema["type"] == "array" {
        line.text("array of ");
        add(line, &schema["items"]);
    } else {
        plain(line, schema);
    }
    limits(line, schema);
}

fn separated<'d>(
    line: &mut Inline<'d>,
    values: &'d [Value],
    by: &'static str,
    add: impl Fn(&mut Inline<'d>, &'d Value),
) {
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            line.text(by);
        }
        add(line, value);
    }
}

fn plain<'d>(line: &mut Inline<'d>, schema: &'d Value) {
    match &schema["type"] {
        Value::String(name) => line.text(name),
        Value::Array(names) => separated(line, names, " or ", |line, name| line.text(text(name))),
        _ => line.text("anything"),
    }
    if let Some(format) = schema["format"].as_str().filter(|format| !format.starts_with("uint")) {
        line.text(format!(" ({format})"));
    }
}

fn limits<'d>(line: &mut Inline<'d>, schema: &'d Value) {
    for (word, before) in LIMITS {
        if let Some(limit) = schema.get(word) {
            line.text("; ");
            line.text(before);
            line.code(written(limit));
        }
    }
}
