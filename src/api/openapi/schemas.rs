//! JSON Schemas of the types in requests and answers, collected while operations are described.
//!
//! A type in both may have two schemas, because an optional field of a request is always present in an answer. The
//! schema for requests is then called `…Input`.

use std::collections::BTreeSet;

use schemars::generate::{Contract, SchemaSettings};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value};

/// Where the document has its schemas.
const GIVEN: &str = "/components/schemas";
/// The place of request schemas until their names are settled.
const TAKEN: &str = "/taken";

/// The schema of a type, by the generator of one direction.
pub(super) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// Returns the [`SchemaOf`] a type.
pub(super) fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// Both generators.
pub(super) struct Schemas {
    given: SchemaGenerator,
    taken: SchemaGenerator,
}

impl Schemas {
    pub(super) fn new() -> Self {
        let generator = |path: &str, contract| {
            let settings = SchemaSettings::draft2020_12().with(|settings| {
                settings.meta_schema = None;
                settings.definitions_path = path.to_owned().into();
                settings.contract = contract;
            });
            settings.into_generator()
        };
        Self {
            given: generator(GIVEN, Contract::Serialize),
            taken: generator(TAKEN, Contract::Deserialize),
        }
    }

    /// Returns the schema of a type in an answer.
    pub(super) fn given(&mut self, schema: SchemaOf) -> Value {
        schema(&mut self.given).to_value()
    }

    /// Returns the schema of a type in a request.
    pub(super) fn taken(&mut self, schema: SchemaOf) -> Value {
        schema(&mut self.taken).to_value()
    }

    /// Puts all schemas into the document by their names. Every reference in it then leads there.
    pub(super) fn settle(mut self, document: &mut Value) {
        let mut all = self.given.take_definitions(true);
        let taken = self.taken.take_definitions(true);
        let renamed = differing(&all, &taken);
        let name = |name: &str| {
            let suffix = if renamed.contains(name) { "Input" } else { "" };
            format!("{name}{suffix}")
        };
        all.extend(taken.into_iter().map(|(key, schema)| (name(&key), schema)));
        all.sort_keys();
        document["components"]["schemas"] = Value::Object(all);
        each_reference(document, &mut |reference| {
            if let Some(key) = reference.strip_prefix(&format!("#{TAKEN}/")) {
                *reference = format!("#{GIVEN}/{}", name(key));
            }
        });
    }
}

/// Names under which the two directions have different schemas, or schemas that lead to such.
fn differing(given: &Map<String, Value>, taken: &Map<String, Value>) -> BTreeSet<String> {
    let both: Vec<_> = taken
        .iter()
        .filter_map(|(name, schema)| Some((name, schema, given.get(name)?)))
        .collect();
    let mut differing = BTreeSet::new();
    loop {
        let before = differing.len();
        for (name, taken, given) in &both {
            let mut like_given = (*taken).clone();
            let mut leads_on = false;
            each_reference(&mut like_given, &mut |reference| {
                let key = reference.rsplit('/').next().unwrap_or_default().to_owned();
                leads_on |= differing.contains(&key);
                *reference = format!("#{GIVEN}/{key}");
            });
            if leads_on || like_given != **given {
                differing.insert((*name).clone());
            }
        }
        if differing.len() == before {
            return differing;
        }
    }
}

fn each_reference(value: &mut Value, visit: &mut impl FnMut(&mut String)) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| each_reference(item, visit)),
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(reference) if name == "$ref" => visit(reference),
                    other => each_reference(other, visit),
                }
            }
        }
        _ => {}
    }
}
