//! Methods that a resource has besides those with handlers of their own (RFC 9110, section 9.3).
//!
//! HEAD is answered as GET, by the middleware; its body is left out by the connection.

use actix_web::http::Method;
use actix_web::http::header::ALLOW;
use actix_web::web::resource;
use actix_web::{HttpRequest, HttpResponse, Resource, web};

use super::problem::Problem;

/// The methods of this server's addresses, for `OPTIONS *`.
pub(super) const ALL: &str = "GET, HEAD, POST, PUT, DELETE, OPTIONS";

/// Makes a resource that has these methods. To all others it answers which it has.
pub(crate) fn only(path: &str, methods: impl Into<Vec<Method>>) -> Resource {
    let allow = allowed(&methods.into());
    resource(path).default_service(web::to(move |request: HttpRequest| {
        let allow = allow.clone();
        async move {
            if request.method() == Method::OPTIONS {
                return Ok(HttpResponse::NoContent().insert_header((ALLOW, allow)).finish());
            }
            Err::<HttpResponse, _>(Problem::method_not_allowed(allow))
        }
    }))
}

fn allowed(methods: &[Method]) -> String {
    let mut names: Vec<&str> = Vec::with_capacity(methods.len() + 2);
    for method in methods {
        names.push(method.as_str());
        if *method == Method::GET {
            names.push("HEAD");
        }
    }
    names.push("OPTIONS");
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_read_has_a_head() {
        assert_eq!(allowed(&[Method::GET, Method::POST]), "GET, HEAD, POST, OPTIONS");
        assert_eq!(allowed(&[Method::POST]), "POST, OPTIONS");
    }
}
