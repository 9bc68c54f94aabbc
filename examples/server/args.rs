//! The command line, and the one thing that follows from several flags at once: the issuer.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use clap::Parser;
use grantor::profile::{Profile, RefreshRotation};
use grantor::protocol::{Issuer, Resource};

/// An OAuth and OpenID Connect server to try out, with demo users, demo clients and a demo API.
#[derive(Debug, Parser)]
#[command(name = "server", version)]
pub(crate) struct Args {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,

    /// The issuer identifier; http only on a loopback address [default: where it listens]
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,

    /// The SQLite file, a PostgreSQL database as "postgres://…", a Redis server as "redis://…", or "memory:" to forget everything at the end
    #[arg(long, value_name = "FILE", default_value = "data/grantor-demo.sqlite")]
    pub(crate) database: Database,

    /// The 32-byte secret, made if there is none [default: beside the database]
    #[arg(long, value_name = "FILE")]
    pub(crate) secret_file: Option<PathBuf>,

    /// strict: OAuth 2.1 with RFC 9700; oidc_compat: what OpenID certification and existing clients need
    #[arg(long, value_name = "NAME", default_value = "strict", value_parser = profile)]
    pub(crate) profile: Profile,

    /// An API whose access tokens are JWTs; may be repeated, and the first is that of the demo API
    #[arg(long = "resource", value_name = "URI", default_value = "https://api.example.test/", value_parser = resource)]
    pub(crate) resources: Vec<Resource>,

    /// Who gets a new refresh token at each use: "public" clients or "always" everyone [default: the profile's]
    #[arg(long, value_name = "WHO", value_parser = rotation)]
    pub(crate) refresh_rotation: Option<RefreshRotation>,

    /// A proxy whose X-Forwarded-For tells where a request came from; may be repeated
    #[arg(long = "trusted-proxy", value_name = "ADDRESS")]
    pub(crate) trusted_proxies: Vec<IpAddr>,

    /// The TLS certificate chain, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,

    /// The TLS private key, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,

    /// TLS with a certificate made at the start, which no browser trusts
    #[arg(long, conflicts_with_all = ["tls_cert", "tls_key"])]
    pub(crate) tls_self_signed: bool,

    /// Clients instead of the demo ones: a JSON array of RFC 7591 metadata with client_id and client_secret
    #[arg(long, value_name = "FILE")]
    pub(crate) clients: Option<PathBuf>,

    /// Users instead of the demo ones: a JSON array of objects with username, password and claims
    #[arg(long, value_name = "FILE")]
    pub(crate) users: Option<PathBuf>,

    /// Other issuers whose JWTs are taken, for users of the same name: a JSON object of issuers, each with its jwks or jwks_uri
    #[arg(long, value_name = "FILE")]
    pub(crate) trusted_issuers: Option<PathBuf>,

    /// Let clients register themselves, for whatever they may ask for here
    #[arg(long)]
    pub(crate) open_registration: bool,

    /// Answer yes by itself to whatever clients ask alice over the back channel; never in production
    #[arg(long)]
    pub(crate) ciba_auto_approve: bool,

    /// Let tests on this machine turn the clock, rotate keys and crash the server, and clients answer for the users whom they
    /// had asked (/ciba-sim); never in production
    #[arg(long)]
    pub(crate) test_controls: bool,
}

/// Where records are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Database {
    /// In memory, until the process ends.
    Memory,
    /// In an SQLite file.
    File(PathBuf),
    /// In a PostgreSQL database.
    Postgres(DatabaseUrl),
    /// On a Redis or Valkey server.
    Redis(DatabaseUrl),
}

/// Where a database is reached, and perhaps with which password: not for the log.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct DatabaseUrl(pub(crate) String);

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl Args {
    /// The issuer: as given, or where the server listens.
    pub(crate) fn issuer(&self, listening: SocketAddr) -> Result<Issuer, String> {
        let tls = self.tls_self_signed || self.tls_cert.is_some();
        let url = match &self.issuer {
            Some(url) => url.clone(),
            None if listening.ip().is_unspecified() => {
                return Err(format!(
                    "--issuer is needed with --listen {listening}, which is no address to go to"
                ));
            }
            None => format!("{}://{listening}", if tls { "https" } else { "http" }),
        };
        let issuer = Issuer::dangerous_loopback_http(&url)
            .map_err(|error| format!("--issuer {url}: {error} (plain http only on a loopback address)"))?;
        if tls && !issuer.is_https() {
            return Err(format!("--issuer {url}: must be https when the server speaks TLS"));
        }
        if !issuer.path().is_empty() {
            return Err(format!(
                "--issuer {url}: this server's pages are at the root, so there can be no path"
            ));
        }
        Ok(issuer)
    }
}

impl FromStr for Database {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "" => Err("a file name is needed"),
            "memory:" => Ok(Self::Memory),
            url if ["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) => {
                Ok(Self::Postgres(DatabaseUrl(url.to_owned())))
            }
            url if ["redis://", "rediss://", "unix://"].iter().any(|scheme| url.starts_with(scheme)) => {
                Ok(Self::Redis(DatabaseUrl(url.to_owned())))
            }
            url if url.contains("://") => {
                Err("postgres://, redis://, rediss://, unix://, a path or memory: is needed")
            }
            path => Ok(Self::File(path.into())),
        }
    }
}

fn profile(name: &str) -> Result<Profile, String> {
    let names: Vec<_> = Profile::ALL.iter().map(|profile| profile.as_str()).collect();
    let named = Profile::ALL.iter().find(|profile| profile.as_str() == name);
    named.copied().ok_or_else(|| format!("one of {} is needed", names.join(", ")))
}

fn rotation(name: &str) -> Result<RefreshRotation, &'static str> {
    match name {
        "public" => Ok(RefreshRotation::Public),
        "always" => Ok(RefreshRotation::Always),
        _ => Err("one of public, always is needed"),
    }
}

fn resource(uri: &str) -> Result<Resource, String> {
    Resource::parse(uri).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issuer(flags: &[&str], listening: &str) -> Result<String, String> {
        let args = Args::try_parse_from(["server"].iter().chain(flags)).unwrap();
        args.issuer(listening.parse().unwrap()).map(|issuer| issuer.to_string())
    }

    #[test]
    fn the_issuer_is_where_the_server_listens_unless_given() {
        assert_eq!(issuer(&[], "127.0.0.1:4711").unwrap(), "http://127.0.0.1:4711");
        assert_eq!(issuer(&["--tls-self-signed"], "[::1]:443").unwrap(), "https://[::1]:443");
        assert_eq!(issuer(&["--issuer", "https://as.example"], "0.0.0.0:80").unwrap(), "https://as.example");
    }

    #[test]
    fn an_issuer_that_cannot_be_true_is_refused() {
        for (flags, listening) in [
            (&[][..], "0.0.0.0:80"),
            (&[], "192.0.2.1:80"),
            (&["--issuer", "http://as.example"], "127.0.0.1:80"),
            (&["--issuer", "http://127.0.0.1:80", "--tls-self-signed"], "127.0.0.1:80"),
            (&["--issuer", "https://as.example/tenant"], "127.0.0.1:80"),
        ] {
            assert!(issuer(flags, listening).is_err(), "{flags:?} {listening}");
        }
    }
}
