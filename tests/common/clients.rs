//! The clients and APIs that tests talk about.
//!
//! | client | authenticates | redirect URI | grants |
//! |---|---|---|---|
//! | `web` | Basic | https | code, refresh |
//! | `post` | in the body | https | all |
//! | `spa` | no | https | code, refresh |
//! | `native` | no | loopback | code, refresh |
//! | `app` | no | private scheme | code, refresh |
//! | `first` | Basic | https, users are not asked | code, refresh |
//! | `two` | Basic | two of them | code |
//! | `dynamic` | no | https, registered itself | code, refresh |
//! | `dynamic-web` | Basic | https, registered itself | code, refresh |
//! | `machine` | Basic | none | client credentials |
//! | `api` | Basic | none, answers for `https://api.example/` | none |

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use grantor::host::{Clients, StaticResources};
use grantor::jose::Algorithm;
use grantor::protocol::{
    ApplicationType, ClientAuthMethod, ClientId, GrantType, RedirectUri, Resource, ResponseType,
};
use grantor::record::client::{ClientLifetimes, ClientSecret, ConsentPolicy, OpenIdRegistration};
use grantor::record::{Client, ResourceServer, TokenFormat};
use grantor::store::StoreError;

use super::{Form, scope};

pub(crate) const API: &str = "https://api.example/";
pub(crate) const REPORTS: &str = "https://reports.example/";
pub(crate) const JWT_API: &str = "https://jwt.example/";
pub(crate) const JWT_LOG: &str = "https://log.example/";

/// Clients that a test may change while the server runs.
pub(crate) struct Registry {
    clients: Mutex<HashMap<ClientId, Arc<Client>>>,
    slow: bool,
}

impl Registry {
    pub(crate) fn new(clients: Vec<Client>) -> Self {
        let slow = clients.iter().any(|client| client.secrets.iter().any(ClientSecret::is_slow));
        let clients = clients.into_iter().map(|client| (client.id.clone(), Arc::new(client))).collect();
        Self { clients: Mutex::new(clients), slow }
    }

    pub(crate) fn change(&self, id: &str, change: impl FnOnce(&mut Client)) {
        let mut clients = self.clients.lock().unwrap();
        change(Arc::make_mut(clients.get_mut(id).unwrap()));
    }

    pub(crate) fn remove(&self, id: &str) {
        self.clients.lock().unwrap().remove(id);
    }
}

#[async_trait]
impl Clients for Registry {
    async fn client(&self, id: &str) -> Result<Option<Arc<Client>>, StoreError> {
        Ok(self.clients.lock().unwrap().get(id).cloned())
    }

    fn has_slow_secrets(&self) -> bool {
        self.slow
    }
}

pub(crate) fn client(id: &str, auth_method: ClientAuthMethod, redirect_uris: &[&str]) -> Client {
    let redirect_uri = |uri: &&str| RedirectUri::parse(uri, ApplicationType::Native).unwrap();
    let secrets = match auth_method {
        ClientAuthMethod::None => vec![],
        _ => vec![ClientSecret::generated(&secret(id))],
    };
    Client {
        id: id.into(),
        name: Some(format!("The {id} client")),
        auth_method,
        secrets,
        redirect_uris: redirect_uris.iter().map(redirect_uri).collect(),
        grant_types: vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
        response_types: vec![ResponseType::Code],
        scope: scope("read write"),
        consent: ConsentPolicy::Ask,
        self_registered: false,
        resource_server_of: vec![],
        keys: Default::default(),
        lifetimes: ClientLifetimes::default(),
        about: Default::default(),
        openid: OpenIdRegistration::default(),
        request_objects: Default::default(),
        backchannel: Default::default(),
        logout: grantor::record::logout::LogoutRegistration::default(),
    }
}

pub(crate) fn all() -> Vec<Client> {
    use ClientAuthMethod::{ClientSecretBasic as Basic, ClientSecretPost as Post, None};
    let https = |id, method| client(id, method, &[redirect_uri(id)]);
    vec![
        https("web", Basic),
        Client { grant_types: GrantType::ALL.to_vec(), ..https("post", Post) },
        https("spa", None),
        https("native", None),
        https("app", None),
        Client { consent: ConsentPolicy::FirstParty, ..https("first", Basic) },
        Client {
            grant_types: vec![GrantType::AuthorizationCode],
            ..client("two", Basic, &[redirect_uri("two"), "https://two.example/other"])
        },
        Client { self_registered: true, ..https("dynamic", None) },
        Client { self_registered: true, ..https("dynamic-web", Basic) },
        Client {
            grant_types: vec![GrantType::ClientCredentials],
            response_types: vec![],
            ..client("machine", Basic, &[])
        },
        Client {
            grant_types: vec![],
            response_types: vec![],
            resource_server_of: vec![resource(API)],
            ..client("api", Basic, &[])
        },
    ]
}

pub(crate) fn resource(uri: &str) -> Resource {
    Resource::parse(uri).unwrap()
}

pub(crate) fn resources() -> StaticResources {
    let server = |uri, format, values: Option<&str>| ResourceServer {
        resource: resource(uri),
        format,
        scope: values.map(scope),
        lifetime: Option::None,
    };
    let jwt = TokenFormat::Jwt(Algorithm::Es256);
    StaticResources::new([
        server(API, TokenFormat::Opaque, Option::None),
        server(REPORTS, TokenFormat::Opaque, Some("read")),
        server(JWT_API, jwt, Option::None),
        server(JWT_LOG, jwt, Option::None),
    ])
}

/// The redirect URI a client asks with.
pub(crate) fn redirect_uri(client: &str) -> &'static str {
    match client {
        "web" => "https://web.example/cb",
        "post" => "https://post.example/cb?tenant=1",
        "spa" => "https://spa.example/cb",
        "native" => "http://127.0.0.1/cb",
        "app" => "com.example.app:/cb",
        "first" => "https://first.example/cb",
        "two" => "https://two.example/cb",
        "dynamic" => "https://dynamic.example/cb",
        "dynamic-web" => "https://dynamic-web.example/cb",
        _ => "https://nowhere.example/cb",
    }
}

pub(crate) fn secret(client: &str) -> String {
    format!("{client}-secret:%+é-0123456789abcdef0123456789abcdef")
}

/// How a client authenticates, and the form with what belongs into it.
pub(crate) fn authenticated(client: &str, form: &Form) -> (Option<String>, Form) {
    match client {
        "spa" | "native" | "app" | "dynamic" | "tv" => (None, form.add("client_id", client)),
        "post" => (None, form.add("client_id", client).add("client_secret", &secret(client))),
        _ => (Some(basic(client, &secret(client))), form.clone()),
    }
}

/// The header of RFC 6749 §2.3.1.
pub(crate) fn basic(id: &str, secret: &str) -> String {
    let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    format!("Basic {}", STANDARD.encode(format!("{}:{}", encode(id), encode(secret))))
}
