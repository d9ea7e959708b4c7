//! The problems that follow from what an operation takes and from who may call it.

use super::{Caller, Operation};
use crate::code::Code;

impl Operation {
    pub(super) fn with_common_problems(self) -> Self {
        let has_query = self.parameters.iter().any(|parameter| parameter.place == "query");
        let has_body = self.body.is_some();
        let mut with = match self.caller {
            Caller::Anyone => return self,
            Caller::Sender => {
                return self
                    .problems(
                        401,
                        &[
                            Code::AuthenticationFailed,
                            Code::AuthorizationMalformed,
                            Code::AuthorizationMissing,
                        ],
                    )
                    .problems(401, &[Code::WebhookSecretMalformed, Code::WebhookSecretMissing])
                    .problems(429, &[Code::TooManyFailures]);
            }
            Caller::Token => self,
            Caller::Operator => self.problems(403, &[Code::OperatorOnly]),
        };
        with = with
            .problems(
                401,
                &[
                    Code::AuthenticationFailed,
                    Code::AuthorizationMalformed,
                    Code::AuthorizationMissing,
                ],
            )
            .problems(429, &[Code::TooManyFailures])
            .problems(500, &[Code::InternalError])
            .problems(503, &[Code::CredentialsUnconfirmed, Code::DatabaseUnavailable]);
        if has_query {
            with = with.problems(
                400,
                &[Code::ParameterInvalid, Code::ParameterRepeated, Code::ParameterUnknown],
            );
        }
        if has_body {
            with = with
                .problems(400, &[Code::BodyInvalid, Code::RequestInvalid])
                .problems(408, &[Code::BodyTimeout])
                .problems(413, &[Code::BodyTooLarge])
                .problems(503, &[Code::Overloaded]);
        }
        with
    }
}
