//! Outbound HTTP over reqwest and rustls, for URLs that a stranger may have chosen.
//!
//! What connects is exactly the address that was judged: names are resolved by the connector itself, through a
//! resolver that drops every special-use address from the answer, so there is no second look-up that could answer
//! otherwise. An address written into the URL never passes the resolver and is judged before.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, Method};
use url::{Host, Url};

use super::{Fetch, FetchError, FetchMethod, FetchRequest, FetchResponse, is_special_use};

/// From the first packet to the last byte of the body.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The error text by which a refused address is recognised behind the connector.
const SPECIAL_USE: &str = "the name has no public address";

/// Calls other servers: `https` only, public addresses only, no redirects, no proxies, 5 seconds.
///
/// It needs a tokio runtime with I/O and time enabled. Cheap to clone.
#[derive(Clone)]
pub struct HttpFetch {
    client: Client,
    reach: Reach,
}

/// Which addresses may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    Public,
    PublicAndLoopback,
}

/// Turns a host name into addresses.
#[async_trait]
pub trait Resolver: Send + Sync {
    /// The addresses of `host`.
    ///
    /// # Errors
    /// When there are none or they cannot be found out.
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// The resolver of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolver for SystemResolver {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect())
    }
}

/// Configures an [`HttpFetch`].
#[must_use]
pub struct HttpFetchBuilder {
    resolver: Arc<dyn Resolver>,
    reach: Reach,
    timeout: Duration,
}

impl HttpFetch {
    /// The safe defaults.
    ///
    /// # Errors
    /// `Failed` when TLS cannot be set up, for instance without any root certificate on the machine.
    pub fn new() -> Result<Self, FetchError> {
        Self::builder().build()
    }

    /// Starts to configure one.
    pub fn builder() -> HttpFetchBuilder {
        HttpFetchBuilder { resolver: Arc::new(SystemResolver), reach: Reach::Public, timeout: TIMEOUT }
    }
}

impl HttpFetchBuilder {
    /// Looks names up in another way. What it answers is judged like any other answer.
    pub fn resolver(mut self, resolver: Arc<dyn Resolver>) -> Self {
        self.resolver = resolver;
        self
    }

    /// How long a request may take, body included; 5 seconds unless given, and never more than a minute.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout.min(Duration::from_secs(60));
        self
    }

    /// Also calls this very machine, over `https` or plain `http`. For development and tests: with it, whoever
    /// chooses a URL reaches every service that listens on loopback.
    pub fn dangerous_allow_loopback(mut self) -> Self {
        self.reach = Reach::PublicAndLoopback;
        self
    }

    /// Builds it.
    ///
    /// # Errors
    /// `Failed` when TLS cannot be set up.
    pub fn build(self) -> Result<HttpFetch, FetchError> {
        let client = Client::builder()
            .dns_resolver(Arc::new(Judged { resolver: self.resolver, reach: self.reach }))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .https_only(self.reach == Reach::Public)
            .timeout(self.timeout)
            .user_agent("grantor")
            .build()
            .map_err(|error| failed(&error))?;
        Ok(HttpFetch { client, reach: self.reach })
    }
}

impl fmt::Debug for HttpFetchBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpFetchBuilder").field("reach", &self.reach).finish_non_exhaustive()
    }
}

impl fmt::Debug for HttpFetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpFetch").field("reach", &self.reach).finish_non_exhaustive()
    }
}

impl Reach {
    fn allows(self, address: IpAddr) -> bool {
        !is_special_use(address) || (self == Self::PublicAndLoopback && is_loopback(address))
    }

    /// Judges what the URL itself shows; names are judged by their addresses when they are resolved.
    fn judge(self, url: &Url) -> Result<(), FetchError> {
        let host = url.host().ok_or(FetchError::Refused("the URL has no host"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(FetchError::Refused("the URL has user information"));
        }
        let literal = match host {
            Host::Ipv4(address) => Some(IpAddr::V4(address)),
            Host::Ipv6(address) => Some(IpAddr::V6(address)),
            Host::Domain(_) => None,
        };
        if literal.is_some_and(|address| !self.allows(address)) {
            return Err(FetchError::Refused("the address is not public"));
        }
        let here = literal.map_or(host == Host::Domain("localhost"), is_loopback);
        match url.scheme() {
            "https" => Ok(()),
            "http" if self == Self::PublicAndLoopback && here => Ok(()),
            _ => Err(FetchError::Refused("the URL is not an https URL")),
        }
    }
}

/// Loopback in its own notation; an IPv4 address inside an IPv6 one is none.
fn is_loopback(address: IpAddr) -> bool {
    address.is_loopback()
}

/// The resolver that the connector asks: it passes on only addresses that may be called.
struct Judged {
    resolver: Arc<dyn Resolver>,
    reach: Reach,
}

impl Resolve for Judged {
    fn resolve(&self, name: Name) -> Resolving {
        let (resolver, reach) = (self.resolver.clone(), self.reach);
        Box::pin(async move {
            // Plain http is spoken with `localhost` alone, which therefore must be this machine.
            let here_only = name.as_str().eq_ignore_ascii_case("localhost");
            let mut addresses = resolver.resolve(name.as_str()).await?;
            addresses.retain(|address| reach.allows(*address) && (!here_only || is_loopback(*address)));
            if addresses.is_empty() {
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, SPECIAL_USE).into());
            }
            let addresses: Addrs = Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}

#[async_trait]
impl Fetch for HttpFetch {
    async fn fetch(&self, request: FetchRequest) -> Result<FetchResponse, FetchError> {
        self.reach.judge(&request.url)?;
        let method = match request.method {
            FetchMethod::Get => Method::GET,
            FetchMethod::Post => Method::POST,
        };
        let mut outgoing = self.client.request(method, request.url);
        for (name, value) in request.headers {
            outgoing = outgoing.header(name, value);
        }
        if request.method == FetchMethod::Post {
            outgoing = outgoing.body(request.body);
        }
        let mut response = outgoing.send().await.map_err(|error| failed(&error))?;
        if response.content_length().is_some_and(|length| length > request.max_bytes as u64) {
            return Err(FetchError::TooLarge);
        }
        let status = response.status().as_u16();
        let headers = response
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
            .collect();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| failed(&error))? {
            if chunk.len() > request.max_bytes.saturating_sub(body.len()) {
                return Err(FetchError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(FetchResponse { status, headers, body })
    }
}

/// What went wrong, by its innermost cause and without the URL.
fn failed(error: &reqwest::Error) -> FetchError {
    if error.is_timeout() {
        return FetchError::Timeout;
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    match cause.to_string() {
        text if text == SPECIAL_USE => FetchError::Refused(SPECIAL_USE),
        text => FetchError::Failed(text),
    }
}
