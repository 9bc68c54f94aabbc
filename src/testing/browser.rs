//! A browser: it keeps cookies, is sent to the host's pages, and answers them as their user would.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use url::Url;
use url::form_urlencoded::Serializer;

use super::{fail, must};
use crate::authorize::{HostLogin, InteractionView};
use crate::http::HttpServer;
use crate::record::interaction::InteractReason;

/// The most pages of the host that a user is shown before the client is answered.
const MAX_PAGES: usize = 8;

/// A browser and its cookies, at one server.
#[derive(Clone, Debug)]
pub struct TestBrowser {
    http: HttpServer,
    /// The cookies, by name.
    pub cookies: BTreeMap<String, String>,
}

impl TestBrowser {
    /// A browser without cookies.
    #[must_use]
    pub fn new(http: &HttpServer) -> Self {
        Self { http: http.clone(), cookies: BTreeMap::new() }
    }

    /// The header that the cookies make.
    #[must_use]
    pub fn headers(&self) -> HeaderMap {
        let line: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut headers = HeaderMap::new();
        if !line.is_empty() {
            headers.insert(header::COOKIE, must(HeaderValue::from_str(&line.join("; "))));
        }
        headers
    }

    /// Takes the cookies that came with an answer.
    pub fn keep(&mut self, answer: &HeaderMap) {
        for line in answer.get_all(header::SET_COOKIE) {
            let pair = must(line.to_str()).split(';').next().and_then(|pair| pair.split_once('='));
            match pair {
                Some((name, "")) => drop(self.cookies.remove(name)),
                Some((name, value)) => drop(self.cookies.insert(name.to_owned(), value.to_owned())),
                None => fail(&format!("{line:?} is no cookie")),
            }
        }
    }

    /// Opens a URL of the server, absolute or from its path on.
    pub async fn get(&mut self, target: &str) -> Response<Bytes> {
        let request = self.request(Method::GET, target, String::new());
        self.send(request).await
    }

    /// Submits a form.
    pub async fn post(&mut self, target: &str, form: &[(&str, &str)]) -> Response<Bytes> {
        let request = self.request(Method::POST, target, encode(form));
        self.send(request).await
    }

    /// Opens the authorization endpoint, signs in as this user where a page asks for that, allows everything where another asks
    /// for that, and returns what the client is answered, or the error page.
    pub async fn authorize(&mut self, request: &[(&str, &str)], login: &HostLogin) -> Response<Bytes> {
        let endpoint = self.http.server().settings().issuer.endpoint(&self.http.server().paths().authorize);
        let mut answer = self.get(&format!("{endpoint}?{}", encode(request))).await;
        for _ in 0..MAX_PAGES {
            let page = location(&answer).filter(|url| url.as_str().starts_with(self.issuer()));
            let Some(page) = page.filter(|_| param(&answer, "interaction").is_some()) else { return answer };
            answer = self.answer_page(page.as_str(), login).await;
            self.keep(answer.headers());
        }
        fail(&format!("one page after the other: {answer:?}"))
    }

    /// What the host does at one of its pages.
    async fn answer_page(&self, page: &str, login: &HostLogin) -> Response<Bytes> {
        let view = match self.http.interaction(&self.request(Method::GET, page, String::new())).await {
            Ok(view) => view,
            Err(error_page) => return *error_page,
        };
        let InteractionView { id, csrf, reason, scope, .. } = &view;
        let id = id.to_string();
        let mut form = vec![("interaction", id.as_str()), ("csrf", csrf.expose())];
        if *reason == InteractReason::Consent {
            form.push(("decision", "approve"));
            form.extend(scope.iter().map(|value| ("scope", value)));
        }
        let submitted = self.request(Method::POST, page, encode(&form));
        match reason {
            InteractReason::Consent => self.http.step(self.http.consent(&submitted).await, &Method::POST),
            InteractReason::Step => self.http.go_on(&submitted).await,
            _ => self.http.login(&submitted, login.clone()).await,
        }
    }

    fn issuer(&self) -> &str {
        self.http.server().settings().issuer.as_str()
    }

    fn request(&self, method: Method, target: &str, body: String) -> Request<Bytes> {
        let is_form = method == Method::POST;
        let mut request = must(Request::builder().method(method).uri(target).body(Bytes::from(body)));
        *request.headers_mut() = self.headers();
        if is_form {
            let form = HeaderValue::from_static("application/x-www-form-urlencoded");
            request.headers_mut().insert(header::CONTENT_TYPE, form);
        }
        request
    }

    async fn send(&mut self, request: Request<Bytes>) -> Response<Bytes> {
        let target = request.uri().to_string();
        let Some(answer) = self.http.handle(request, None).await else {
            fail(&format!("{target} is no endpoint"))
        };
        self.keep(answer.headers());
        answer
    }
}

fn encode(form: &[(&str, &str)]) -> String {
    Serializer::new(String::new()).extend_pairs(form).finish()
}

fn location(answer: &Response<Bytes>) -> Option<Url> {
    Url::parse(answer.headers().get(header::LOCATION)?.to_str().ok()?).ok()
}

/// A parameter in the query of where the answer leads.
pub(super) fn param(answer: &Response<Bytes>, name: &str) -> Option<String> {
    location(answer)?.query_pairs().find(|(own, _)| own == name).map(|(_, value)| value.into_owned())
}
