//! Server and API together: keys and answers of a real authorization server, over TCP.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use grantor::endpoint::introspection::IntrospectionRequest;
use grantor::endpoint::revocation::RevocationRequest;
use grantor::endpoint::token::TokenRequest;
use grantor::host::{KeyRingOptions, KeyRingSigner, StaticClients, StaticResources};
use grantor::jose::{Algorithm, Sealer};
use grantor::protocol::{ClientAuthMethod, GrantType, Issuer, Params, Resource, Scope, Secret};
use grantor::record::client::{ClientLifetimes, ClientSecret, ConsentPolicy, OpenIdRegistration};
use grantor::record::{Client, Namespace, ResourceServer, TokenFormat};
use grantor::resource_server::{Guard, IntrospectionSettings, IntrospectionVerifier, JwksCache, JwtVerifier};
use grantor::server::{AuthorizationServer, Origin};
use grantor::store::MemoryStore;

use crate::support::{API, Answer, ISSUER, Server, TestClock, check, fetch};

const OPAQUE: &str = "https://opaque.example/";
const SECRET: &str = "a-secret-of-at-least-32-characters-of-noise";

fn client(id: &str) -> Client {
    Client {
        id: id.into(),
        name: None,
        auth_method: ClientAuthMethod::ClientSecretBasic,
        secrets: vec![ClientSecret::generated(SECRET)],
        redirect_uris: Vec::new(),
        grant_types: vec![GrantType::ClientCredentials],
        response_types: Vec::new(),
        scope: Scope::parse("read").unwrap(),
        consent: ConsentPolicy::Ask,
        self_registered: false,
        resource_server_of: vec![resource(OPAQUE)],
        keys: Default::default(),
        lifetimes: ClientLifetimes::default(),
        about: Default::default(),
        openid: OpenIdRegistration::default(),
        request_objects: Default::default(),
        backchannel: Default::default(),
        logout: grantor::record::logout::LogoutRegistration::default(),
    }
}

fn resource(uri: &str) -> Resource {
    Resource::parse(uri).unwrap()
}

fn basic(id: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{SECRET}")))
}

async fn started(clock: &Arc<TestClock>) -> (AuthorizationServer, Arc<KeyRingSigner>) {
    let store = Arc::new(MemoryStore::new());
    let (namespace, sealer) = (Namespace::of_issuer(ISSUER), Sealer::new(&[1; 32]));
    let options = KeyRingOptions::new([Algorithm::Es256]);
    let signer = KeyRingSigner::open(store.clone(), namespace, sealer, clock.clone(), options).await;
    let signer = Arc::new(signer.unwrap());
    let catalogue = [(API, TokenFormat::Jwt(Algorithm::Es256)), (OPAQUE, TokenFormat::Opaque)];
    let resources = StaticResources::new(catalogue.map(|(uri, format)| ResourceServer {
        resource: resource(uri),
        format,
        scope: None,
        lifetime: None,
    }));
    let clients = Arc::new(StaticClients::new([client("app"), client("api")]));
    let server = AuthorizationServer::builder(Issuer::new(ISSUER).unwrap(), store, clients, &[1; 32])
        .clock(clock.clone())
        .resources(Arc::new(resources))
        .signer(signer.clone())
        .scope(Scope::parse("read").unwrap())
        .build()
        .unwrap();
    (server, signer)
}

async fn token(server: &AuthorizationServer, resource: &str) -> String {
    let pairs = [("grant_type", "client_credentials"), ("resource", resource)];
    let request =
        TokenRequest::read(Some(basic("app").as_bytes()), &Params::from_pairs(pairs), GrantType::ALL)
            .unwrap();
    server.token(&request, Origin::default()).await.unwrap().access_token.expose().to_owned()
}

/// Serves the key set and the introspection endpoint.
async fn serve(server: &AuthorizationServer) -> Server {
    let server = server.clone();
    Server::with(move |request| {
        let server = server.clone();
        let answer = async move {
            if request.starts_with("GET /jwks") {
                let keys = server.signer().public_keys().await.unwrap();
                return serde_json::to_vec(keys.set()).unwrap();
            }
            let (head, body) = request.split_once("\r\n\r\n").unwrap();
            let authorization =
                head.lines().find(|line| line.to_ascii_lowercase().starts_with("authorization"));
            let authorization = authorization.unwrap().split_once(": ").unwrap().1;
            let params = Params::parse(body.as_bytes()).unwrap();
            let request = IntrospectionRequest::read(Some(authorization.as_bytes()), &params).unwrap();
            server.introspect(&request, Origin::default()).await.unwrap().to_json()
        };
        Answer::json(tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(answer)))
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_elsewhere_follows_every_rotation_of_the_server() {
    let clock = TestClock::new();
    let (server, signer) = started(&clock).await;
    let remote = serve(&server).await;
    let keys = JwksCache::new(fetch(), remote.url("/jwks").parse().unwrap(), clock.clone());
    let verifier = JwtVerifier::new(ISSUER, &resource(API), Arc::new(keys), clock.clone());
    let guard = Guard::new(Arc::new(verifier)).requiring(&Scope::parse("read").unwrap());

    let before = token(&server, API).await;
    let read = check(&guard, &before).await.unwrap();
    assert_eq!((read.subject.as_str(), read.client_id.as_str()), ("app", "app"));
    assert_eq!(remote.requests(), 1);
    assert!(check(&guard, &token(&server, OPAQUE).await).await.is_err());

    signer.rotate().await.unwrap();
    for _ in 0..20 {
        clock.advance(60);
        assert!(check(&guard, &token(&server, API).await).await.is_ok());
    }
    assert_eq!(remote.requests(), 5, "every five minutes: the successor was known before it signed");

    signer.rotate_now().await.unwrap();
    clock.advance(10);
    assert!(check(&guard, &token(&server, API).await).await.is_ok(), "found by its kid");
    assert!(check(&guard, &before).await.is_err(), "it has expired by now");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_that_introspects_sees_a_revocation_at_once() {
    let clock = TestClock::new();
    let (server, _) = started(&clock).await;
    let remote = serve(&server).await;
    let ask = |audience: &str| {
        let settings = IntrospectionSettings {
            endpoint: remote.url("/introspect").parse().unwrap(),
            client_id: "api".into(),
            client_secret: Secret::new(SECRET),
            issuer: ISSUER.to_owned(),
            audience: resource(audience),
        };
        Guard::new(Arc::new(IntrospectionVerifier::new(fetch(), settings, clock.clone())))
    };
    let guard = ask(OPAQUE);
    let token = token(&server, OPAQUE).await;
    assert_eq!(check(&guard, &token).await.unwrap().client_id.as_str(), "app");
    assert!(check(&ask(API), &token).await.is_err(), "a token for another API");
    assert!(check(&guard, &format!("{token}x")).await.is_err());
    let params = Params::from_pairs([("token", token.as_str())]);
    let request = RevocationRequest::read(Some(basic("app").as_bytes()), &params).unwrap();
    server.revoke(&request, Origin::default()).await.unwrap();
    assert_eq!(check(&guard, &token).await.unwrap_err().status(), 401);
}
