//! Puts the parts together: the library's server, and what this host adds to it.

use std::fs;
use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use grantor::authorize::{AuthorizationResponse, DeviceAnswer, LoggedOut, LogoutPage};
use grantor::host::{
    Fetch, FetchedJwks, HttpFetch, KeyRingOptions, KeyRingSigner, Limiter, MemoryLimiter, OpenRegistration,
    StaticResources,
};
use grantor::http::{ErrorPage, HttpServer, Pages, TrustedProxies};
use grantor::jose::{Algorithm, KeyManagement, Sealer};
use grantor::profile::Profile;
use grantor::protocol::{Digest, GrantType, Issuer, Resource, Timestamp};
use grantor::record::facts::{Allowance, Counter};
use grantor::record::{Namespace, ResourceServer, TokenFormat};
use grantor::server::AuthorizationServer;
use grantor::store::{MemoryStore, PostgresStore, RedisStore, SqliteStore, Store, StoreError};

use crate::args::{Args, Database, DatabaseUrl};
use crate::clock::DemoClock;
use crate::inbox::Inbox;
use crate::login::PASSWORD_CLASS;
use crate::one_time::OneTimePasswords;
use crate::throttle::Throttle;
use crate::users::Users;
use crate::{demo, device, exchange, inbox, logout, one_time, pages, secret};

/// Everything a request may need.
pub(crate) struct App {
    pub(crate) server: AuthorizationServer,
    pub(crate) http: HttpServer,
    pub(crate) proxies: TrustedProxies,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) users: Arc<Users>,
    pub(crate) throttle: Arc<Throttle>,
    pub(crate) signer: Arc<KeyRingSigner>,
    pub(crate) clock: Arc<DemoClock>,
    /// The resource that the demo API is, beside the issuer.
    pub(crate) resource: Option<Resource>,
    /// Whether the clients are the ones that come with the server.
    pub(crate) has_demo_clients: bool,
    /// Whether the users are the ones that come with the server.
    pub(crate) has_demo_users: bool,
}

impl App {
    /// Opens the database and reads the files. What fails is said in one sentence.
    pub(crate) async fn new(args: &Args, issuer: Issuer) -> Result<Self, String> {
        let store = open(&args.database).await?;
        let secret = secret::load(args)?;
        let clients = Arc::new(demo::clients(args, &issuer, &Sealer::new(&secret))?);
        let users = Arc::new(demo::users(args)?);
        let clock = Arc::new(DemoClock::default());
        let signer = signer(&store, &issuer, &secret, &clock).await?;
        let fetch = fetch(&issuer, args.listen.ip());
        let throttle = Arc::new(Throttle::new(args.test_controls));
        let one_time = OneTimePasswords {
            users: Arc::clone(&users),
            throttle: Arc::clone(&throttle),
            clock: Arc::clone(&clock),
        };
        let (yes, questions) = tokio::sync::mpsc::unbounded_channel();
        let inbox = Inbox { users: Arc::clone(&users), yes: args.ciba_auto_approve.then_some(yes) };
        let mut builder = AuthorizationServer::builder(issuer, Arc::clone(&store), clients, &secret)
            .profile(args.profile)
            .grant_types(demo::GRANT_TYPES.iter().cloned())
            .authentication_device(Arc::new(inbox))
            .frontchannel_logout()
            .acr_values([PASSWORD_CLASS])
            .scope(demo::scope()?)
            .token_exchange(exchange::policy(&args.resources))
            .assertion_trust(Arc::new(exchange::trust(args.trusted_issuers.as_deref())?))
            .extension_grant(one_time::grant_type()?, Arc::new(one_time))
            .clock(Arc::clone(&clock) as _)
            .accounts(Arc::clone(&users) as _)
            .resources(Arc::new(StaticResources::new(args.resources.iter().map(api))))
            .pairwise_subjects(&pairwise_secret(&secret))
            .decrypter(Arc::clone(&signer) as _)
            .signer(Arc::clone(&signer) as _);
        if args.profile == Profile::OidcCompat {
            builder = builder
                .session_management()
                .password_verifier(Arc::clone(&users) as _)
                .grant_types(demo::GRANT_TYPES.iter().cloned().chain([GrantType::Password]));
        }
        if let Some(fetch) = fetch {
            let jwks = FetchedJwks::new(Arc::clone(&fetch), Arc::clone(&clock) as _);
            builder = builder.fetch(fetch).client_jwks(Arc::new(jwks));
        }
        if let Some(rotation) = args.refresh_rotation {
            builder = builder.refresh(move |refresh| refresh.rotation = rotation);
        }
        if args.open_registration {
            builder = builder.registration(Arc::new(OpenRegistration::default()));
        }
        if args.test_controls {
            builder = builder.limiter(Arc::new(NoQuotasForTests::default()));
        }
        let server = builder.build().map_err(|error| error.to_string())?;
        tokio::spawn(inbox::allow_all(server.clone(), Arc::clone(&clock), questions));
        let proxies = TrustedProxies::new(args.trusted_proxies.iter().map(IpAddr::to_canonical));
        let http = HttpServer::new(server.clone()).pages(Arc::new(OwnPages)).trusted_proxies(proxies.clone());
        Ok(Self {
            http,
            proxies,
            server,
            store,
            users,
            throttle,
            signer,
            clock,
            resource: args.resources.first().cloned(),
            has_demo_clients: args.clients.is_none(),
            has_demo_users: args.users.is_none(),
        })
    }
}

async fn open(database: &Database) -> Result<Arc<dyn Store>, String> {
    let path = match database {
        Database::Memory => return Ok(Arc::new(MemoryStore::default())),
        Database::Postgres(DatabaseUrl(url)) => {
            let store = PostgresStore::connect(url).await.map_err(|error| format!("--database: {error}"))?;
            return Ok(Arc::new(store));
        }
        Database::Redis(DatabaseUrl(url)) => {
            let store = RedisStore::connect(url).await.map_err(|error| format!("--database: {error}"))?;
            return Ok(Arc::new(store));
        }
        Database::File(path) => path,
    };
    let in_words = |error: String| format!("--database {}: {error}", path.display());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|error| in_words(error.to_string()))?;
    }
    let store = SqliteStore::open(path).map_err(|error| in_words(error.to_string()))?;
    Ok(Arc::new(store))
}

/// Reaches the servers of clients; on this machine only if nobody elsewhere can reach this server and name them.
fn fetch(issuer: &Issuer, listening: IpAddr) -> Option<Arc<dyn Fetch>> {
    let builder = HttpFetch::builder();
    let seen_from_elsewhere = issuer.is_https() || !listening.is_loopback();
    let builder = if seen_from_elsewhere { builder } else { builder.dangerous_allow_loopback() };
    let unreachable = |error: &_| tracing::warn!(%error, "the servers of clients cannot be reached");
    builder.build().inspect_err(unreachable).ok().map(|fetch| Arc::new(fetch) as _)
}

/// What pairwise clients call a user is made with this. It is as lasting as the server's secret, which is enough for demo
/// users; who has users of their own keeps it apart.
fn pairwise_secret(secret: &[u8; 32]) -> [u8; 32] {
    Digest::of(&[b"pairwise subjects".as_slice(), secret].concat()).0
}

/// The signing keys, sealed in the store: RS256 for ID tokens unless a client asks for ES256, ES256 for the demo API.
async fn signer(
    store: &Arc<dyn Store>,
    issuer: &Issuer,
    secret: &[u8; 32],
    clock: &Arc<DemoClock>,
) -> Result<Arc<KeyRingSigner>, String> {
    let signer = KeyRingSigner::open(
        Arc::clone(store),
        Namespace::of_issuer(issuer.as_str()),
        Sealer::new(secret),
        Arc::clone(clock) as _,
        KeyRingOptions::new([Algorithm::Rs256, Algorithm::Es256])
            .encryption([KeyManagement::EcdhEs, KeyManagement::RsaOaep256]),
    );
    signer.await.map(Arc::new).map_err(|error| error.to_string())
}

/// An API that checks its tokens by itself: they are JWTs (RFC 9068).
fn api(resource: &Resource) -> ResourceServer {
    ResourceServer {
        resource: resource.clone(),
        format: TokenFormat::Jwt(Algorithm::Es256),
        scope: None,
        lifetime: None,
    }
}

/// The pages that come from the endpoints themselves, in the look of the others.
struct OwnPages;

impl Pages for OwnPages {
    fn error(&self, page: &ErrorPage) -> String {
        pages::error(page)
    }

    fn form_post(&self, response: &AuthorizationResponse) -> String {
        pages::form_post(response)
    }

    fn device_answered(&self, answer: DeviceAnswer) -> String {
        device::answered(answer)
    }

    fn logout(&self, page: &LogoutPage) -> String {
        logout::ask(page)
    }

    fn logged_out(&self, done: &LoggedOut) -> String {
        logout::done(done)
    }
}

/// For tests on this machine: requests and registrations may be begun as often as they like, and user codes entered in as
/// many sessions. Guesses are counted still.
#[derive(Default)]
struct NoQuotasForTests(MemoryLimiter);

#[async_trait]
impl Limiter for NoQuotasForTests {
    async fn count(&self, counter: &Counter, now: Timestamp) -> Result<Allowance, StoreError> {
        match counter {
            Counter::Interactions(_, Some(address))
            | Counter::DeviceAuthorizations(_, Some(address))
            | Counter::BackchannelAuthentications(_, Some(address))
            | Counter::UserCodesFrom(Some(address))
            | Counter::Registrations(Some(address))
                if address.is_loopback() =>
            {
                Ok(Allowance::Granted)
            }
            _ => self.0.count(counter, now).await,
        }
    }
}
