//! The request of an operation: its parameters and its body.

use conduit_actors::ids::ControllerDid;
use schemars::JsonSchema;
use serde_json::Value;

use super::super::parameters::{Cursor, Limit};
use super::super::schemas;
use super::{Body, CURSOR, Operation, Parameter};
use crate::code::Code;

impl Operation {
    fn parameter<T: JsonSchema>(
        mut self,
        name: &'static str,
        place: &'static str,
        required: bool,
        about: &'static str,
        example: Option<&'static str>,
    ) -> Self {
        self.parameters.push(Parameter {
            name,
            place,
            about,
            required,
            schema: schemas::of::<T>,
            example,
        });
        self
    }

    /// Adds the parameter `{name}` of the path.
    pub(in crate::api::openapi) fn path<T: JsonSchema>(
        self,
        name: &'static str,
        about: &'static str,
        example: &'static str,
    ) -> Self {
        self.parameter::<T>(name, "path", true, about, Some(example))
            .problems(404, &[Code::NotFound])
    }

    /// Adds an optional query parameter.
    pub(in crate::api::openapi) fn query<T: JsonSchema>(
        self,
        name: &'static str,
        about: &'static str,
        example: &'static str,
    ) -> Self {
        self.parameter::<T>(name, "query", false, about, Some(example))
    }

    /// Adds a required query parameter.
    pub(in crate::api::openapi) fn required_query<T: JsonSchema>(
        self,
        name: &'static str,
        about: &'static str,
        example: &'static str,
    ) -> Self {
        self.parameter::<T>(name, "query", true, about, Some(example))
    }

    /// Adds an optional header.
    pub(in crate::api::openapi) fn header<T: JsonSchema>(
        self,
        name: &'static str,
        about: &'static str,
        example: &'static str,
    ) -> Self {
        self.parameter::<T>(name, "header", false, about, Some(example))
    }

    /// Adds `did`, for a call on one controller.
    pub(in crate::api::openapi) fn of_one_controller(self) -> Self {
        let about = "The controller. Required for the operator; a controller's token implies its own.";
        self.query::<ControllerDid>("did", about, "did:web:shop.example")
            .problems(400, &[Code::DidMissing, Code::DidInvalid])
            .problems(404, &[Code::NotFound])
    }

    /// Adds `did`, for a list that may be of one controller.
    pub(in crate::api::openapi) fn of_some_controller(self) -> Self {
        let about = "Only items of this controller. Without it, all items that the caller may see.";
        self.query::<ControllerDid>("did", about, "did:web:shop.example")
            .problems(400, &[Code::DidInvalid])
            .problems(404, &[Code::NotFound])
    }

    /// Adds `limit` and `cursor`.
    pub(in crate::api::openapi) fn in_pages(self) -> Self {
        let about = "The nextCursor of the page before, with the same filter.";
        self.query::<Limit>("limit", "Most items of the answer.", "20")
            .query::<Cursor>("cursor", about, CURSOR)
            .problems(400, &[Code::CursorInvalid])
    }

    /// Sets the body, as JSON.
    pub(in crate::api::openapi) fn takes<T: JsonSchema>(self, about: &'static str, example: Value) -> Self {
        Self {
            body: Some(Body {
                about,
                required: true,
                schema: schemas::of::<T>,
                examples: vec![("example", example)],
            }),
            ..self
        }
    }

    /// Adds another example of the body.
    pub(in crate::api::openapi) fn or_takes(mut self, name: &'static str, example: Value) -> Self {
        self.body
            .iter_mut()
            .for_each(|body| body.examples.push((name, example.clone())));
        self
    }

    /// Makes the body optional.
    pub(in crate::api::openapi) fn or_nothing(mut self) -> Self {
        self.body.iter_mut().for_each(|body| body.required = false);
        self
    }
}
