//! The registration endpoint over HTTP: one path, where `POST` registers a client, and `GET`, `PUT` and `DELETE` with its
//! `client_id` in the query look after it.

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};

use super::{Endpoint, HttpServer, form, reply};
use crate::endpoint::registration::{
    EndRegistration, ReadRegistration, RegistrationAccess, RegistrationRequest, ReplaceRegistration,
};
use crate::protocol::{OAuthError, Reason};
use crate::resource_server::bearer::{self, BearerFault};
use crate::server::Origin;

/// The methods of the endpoint.
pub(super) const METHODS: &str = "GET, POST, PUT, DELETE";

impl HttpServer {
    pub(super) async fn register(&self, request: &Request<Bytes>, origin: Origin) -> Response<Bytes> {
        let answer = match *request.method() {
            Method::OPTIONS => return reply::preflight(METHODS),
            Method::POST => self.register_new(request, origin).await,
            Method::GET | Method::PUT | Method::DELETE => self.manage(request, origin).await,
            _ => return reply::error(&self.refused(Reason::MethodNotAllowed.into()), Endpoint::Register),
        };
        answer.unwrap_or_else(|error| reply::bearer_error(&error, Endpoint::Register))
    }

    async fn register_new(
        &self,
        request: &Request<Bytes>,
        origin: Origin,
    ) -> Result<Response<Bytes>, OAuthError> {
        let registration = token(request)
            .and_then(|token| RegistrationRequest::read(token, form::json_body(request)?))
            .map_err(|error| self.refused(error))?;
        let mut response = reply::json(self.server.register(&registration, origin).await?.to_json())?;
        *response.status_mut() = StatusCode::CREATED;
        Ok(response)
    }

    async fn manage(&self, request: &Request<Bytes>, origin: Origin) -> Result<Response<Bytes>, OAuthError> {
        let access = access(request).map_err(|error| self.refused(error))?;
        match *request.method() {
            Method::GET => {
                let read = ReadRegistration(access);
                reply::json(self.server.run(&read, origin).await?.to_json())
            }
            Method::PUT => {
                let replace = form::json_body(request)
                    .and_then(|body| ReplaceRegistration::read(access, body))
                    .map_err(|error| self.refused(error))?;
                reply::json(self.server.run(&replace, origin).await?.to_json())
            }
            _ => {
                self.server.run(&EndRegistration(access), origin).await?;
                let mut response = reply::empty();
                *response.status_mut() = StatusCode::NO_CONTENT;
                Ok(response)
            }
        }
    }
}

/// The bearer token of a request, which is never in its body or query.
fn token(request: &Request<Bytes>) -> Result<Option<&str>, OAuthError> {
    let values = request.headers().get_all(header::AUTHORIZATION).iter().map(http::HeaderValue::as_bytes);
    match bearer::read(values) {
        Ok(token) => Ok(Some(token)),
        Err(BearerFault::Missing) => Ok(None),
        Err(fault) => Err(Reason::from(fault).into()),
    }
}

fn access(request: &Request<Bytes>) -> Result<RegistrationAccess, OAuthError> {
    let params = form::query(request)?;
    let token = token(request)?.ok_or(Reason::BearerMissing)?;
    Ok(RegistrationAccess::read(params.get("client_id").unwrap_or_default(), token))
}
