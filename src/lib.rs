//! An embeddable OAuth 2.0 / 2.1 authorization server and OpenID Provider.
//!
//! The host adds this crate, picks a store or implements [`Store`], keeps its users and its own login and consent pages, and
//! calls it from whatever HTTP framework it runs. Every grant is a pure state machine over request and response
//! structs; storage, clock, randomness, signing and whatever the host knows are injected.
//!
//! Begin with [`AuthorizationServer::builder`]; with [`http::HttpServer`], or `http::axum`, for the endpoints over HTTP; and
//! with [`docs::choose`] for which flow a client needs.
//!
//! ```text
//!                     ┌───────── facts it asked for ◄─────────┐
//!     bytes ─► parse ─► DECIDE (pure) ── Need(fact) ──► driver fetches: client, records, keys, host's answer
//!                     │
//!                     ├── Refuse(error)
//!                     └── Decision { batch, outcome } ─► mint tokens ─► commit (atomic) ─► response ─► bytes
//!                                                         └─ Conflict: forget the records, decide again
//! ```
//!
//! > A decision never waits, never reads a clock and never draws randomness. It asks for a fact by returning
//! > [`Halt::Need`](record::Halt::Need) and is run again once the fact is known; what neither it nor what it reads ahead asked
//! > for cannot influence it.
//!
//! # The canonical loop
//!
//! [`AuthorizationServer`] runs this loop over the host's traits. Written out for a request that is decided by hand,
//! without any I/O:
//!
//! ```
//! use grantor::record::facts::Fact;
//! use grantor::record::{Context, Decide, Facts, Halt, Need, Random, Settings};
//! use grantor::{endpoint::token::TokenRequest, protocol::{Issuer, Params}};
//!
//! let settings = Settings::new(
//!     Issuer::new("https://as.example").unwrap(),
//!     grantor::Profile::Strict,
//!     grantor::jose::Sealer::new(&[7; 32]),
//! );
//! let cx = Context {
//!     settings: &settings,
//!     now: grantor::Timestamp(1_800_000_000),
//!     random: Random::from_seed([9; Random::LEN]),
//!     sequence: 0,
//!     address: None,
//!     attempt: 0,
//! };
//! let form = Params::parse(b"grant_type=client_credentials&client_id=robot&client_secret=wrong").unwrap();
//! let request = TokenRequest::read(None, &form, &settings.grant_types).unwrap();
//!
//! let mut facts = Facts::new();
//! let error = loop {
//!     match request.decide(&facts, &cx) {
//!         Err(Halt::Need(Need::Client(id))) => facts.learn(Fact::Client(id, None)), // nobody is registered here
//!         Err(Halt::Need(Need::Allowance(counter))) => {
//!             facts.learn(Fact::Allowance(counter, grantor::record::facts::Allowance::Granted));
//!         }
//!         Err(Halt::Need(other)) => panic!("not needed here: {other:?}"),
//!         Err(Halt::Refuse(error)) => break error,
//!         Ok(decision) => panic!("mint, commit {:?}, answer", decision.batch),
//!     }
//! };
//! assert_eq!(error.code().as_str(), "invalid_client");
//! ```
//!
//! # The folders
//!
//! Arrows run one way: [`http`] → [`server`] → {[`endpoint`], [`authorize`] → [`grant`] → [`token`], [`client`],
//! [`proof`]} → [`record`] → {[`jose`], [`protocol`]}. [`store`] depends on [`record`] and below, [`host`] also on [`store`],
//! [`client`] and [`token`]; only [`server`] knows both. [`resource_server`] stands apart, for APIs in other processes. From
//! `protocol` to `token`, and in `authorize`, `grant`, `endpoint` and `client`, nothing is async.
//!
//! | question | folder |
//! |---|---|
//! | how is a request read, what may a scope, a redirect URI, an error be | [`protocol`] |
//! | what is remembered, how is a change described | [`record`] |
//! | how does a grant begin, live and end | [`grant`], one file per grant type |
//! | what happens at the authorization endpoint, and on the user's pages | [`authorize`] |
//! | what do the other endpoints decide, and what can an operator do | [`endpoint`] |
//! | what is in a token, and what does a token that comes back mean | [`token`] |
//! | who is the client, and what may one register by itself | [`client`], [`client::registration`] |
//! | who may register | [`host::RegistrationPolicy`] |
//! | what must a store promise | [`store::Store`], [`store::contract`] |
//! | what does the host inject | [`host`] |
//! | which defaults does a profile set | [`profile`] |
//! | how does an API in another process check a token | [`resource_server`] |
//! | where is a section of a specification kept, and which test holds it to that | [`docs::specifications`] |
//! | what holds when something fails, or comes at once | [`docs::faults`] |
//!
//! # Features
//!
//! | feature | default | brings |
//! |---|---|---|
//! | `aws-lc-rs` | yes | signatures and sealing over AWS-LC (needs a C compiler) |
//! | `http` | yes | the endpoints over `http::Request<Bytes>` |
//! | `axum` | | an `axum::Router` of the endpoints |
//! | `sqlite` | | [`store`]`::SqliteStore` (needs a C compiler) |
//! | `postgres` | | [`store`]`::PostgresStore` (needs a C compiler) |
//! | `redis` | | [`store`]`::RedisStore`, [`host`]`::RedisReplayGuard` and `RedisLimiter` (needs a C compiler) |
//! | `fetch` | | outbound HTTP: to the servers of clients and of trusted issuers, and for APIs in other processes |
//! | `legacy-implicit` | | response types that hand out access tokens through the browser |
//! | `legacy-password` | | clients that send the passwords of their users |
//! | `testing` | | `testing`, for the tests of hosts: a server, users and tokens in a line each |
//! | `tracing` | | log lines |
//!
//! Without default features the pure core, the driver and the memory store remain: no crypto backend, no async
//! runtime, no C.

pub mod authorize;
pub mod client;
pub mod docs;
pub mod endpoint;
pub mod grant;
pub mod host;
#[cfg(feature = "http")]
pub mod http;
pub mod jose;
pub mod profile;
pub mod proof;
pub mod protocol;
pub mod record;
pub mod resource_server;
pub mod server;

pub mod store;
#[cfg(feature = "testing")]
pub mod testing;
pub mod token;

pub use host::{Accounts, Audit, Clients, Clock, Entropy, Limiter, ResourceCatalog, Signer, StaticClients};
pub use profile::Profile;
pub use protocol::{ClientId, Issuer, OAuthError, Reason, Scope, SubjectId, Timestamp};
pub use record::settings::ConfigError;
pub use server::{AuthorizationServer, Origin};
pub use store::{MemoryStore, Store};
