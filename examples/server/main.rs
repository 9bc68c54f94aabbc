//! A whole authorization server and OpenID Provider around the library: `cargo run --example server`.
//!
//! The library decides the protocol. Everything here is what a host adds: users and their passwords, pages, flags, an
//! API to try a token on.
//!
//! | module | subject |
//! |---|---|
//! | [`args`] | the command line |
//! | [`app`] | puts the parts together |
//! | [`demo`], [`users`] | the clients, and the people who sign in |
//! | [`routes`], [`visit`] | paths, and what the pages read of a request |
//! | [`login`], [`consent`], [`device`], [`home`], [`inbox`], [`logout`] | what each page does; [`pages`], [`scopes`], [`day`] are how it looks |
//! | [`one_time`] | a grant type of this host's own |
//! | [`exchange`] | which tokens are exchanged, and which other issuers are trusted |
//! | [`throttle`] | how often a password may be guessed |
//! | [`api`], [`tv`] | the demo API, and a demo client: a television |
//! | [`secret`], [`tls`], [`clock`], [`controls`], [`banner`] | the rest |

mod api;
mod app;
mod args;
mod banner;
mod clock;
mod consent;
mod controls;
mod day;
mod demo;
mod device;
mod exchange;
mod home;
mod inbox;
mod login;
mod logout;
mod one_time;
mod pages;
mod routes;
mod scopes;
mod secret;
mod throttle;
mod tls;
mod tv;
mod users;
mod visit;

use std::io::{IsTerminal as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use clap::Parser as _;
use grantor::server::Sweeper;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tracing_subscriber::EnvFilter;

use app::App;
use args::Args;

/// How long open requests may take to end after the signal to stop.
const GRACE: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    log_to_stderr();
    let (listener, tls, app) = match start(&args).await {
        Ok(started) => started,
        Err(problem) => {
            eprintln!("error: {problem}");
            return ExitCode::from(2);
        }
    };
    let _ = std::io::stdout().write_all(banner::text(&app, args.tls_self_signed).as_bytes());
    match serve(listener, tls, app, args.test_controls).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Opens and reads everything the flags name. What fails is said in one sentence, naming the flag.
async fn start(args: &Args) -> Result<(TcpListener, Option<RustlsConfig>, Arc<App>), String> {
    let listener = listen(args.listen).map_err(|error| format!("--listen {}: {error}", args.listen))?;
    let address = listener.local_addr().map_err(|error| format!("--listen {}: {error}", args.listen))?;
    let issuer = args.issuer(address)?;
    let tls = tls::config(args, issuer.host()).await?;
    let app = App::new(args, issuer).await?;
    Ok((listener, tls, Arc::new(app)))
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Serves until SIGTERM or ctrl-c, and lets open requests end.
async fn serve(
    listener: TcpListener,
    tls: Option<RustlsConfig>,
    app: Arc<App>,
    test_controls: bool,
) -> std::io::Result<()> {
    let handle = Handle::new();
    tokio::spawn(stop(handle.clone()));
    let sweeping = tokio::spawn(Sweeper::new(app.server.clone()).run(tokio::time::sleep));
    let service = routes::router(&app, test_controls).into_make_service_with_connect_info::<SocketAddr>();
    match tls {
        Some(tls) => {
            let mut server = axum_server::from_tcp_rustls(listener, tls)?.handle(handle);
            do_not_wait_for_ever(server.http_builder());
            server.serve(service).await
        }
        None => {
            let mut server = axum_server::from_tcp(listener)?.handle(handle);
            do_not_wait_for_ever(server.http_builder());
            server.serve(service).await
        }
    }?;
    sweeping.abort();
    tracing::info!("stopped");
    Ok(())
}

/// Whoever begins a request has to come to the end of its headers; with a timer, that is 30 seconds by default.
fn do_not_wait_for_ever(connections: &mut Builder<TokioExecutor>) {
    connections.http1().timer(TokioTimer::new());
    connections.http2().timer(TokioTimer::new());
}

async fn stop(handle: Handle<SocketAddr>) {
    stop_signal().await;
    tracing::info!("stopping");
    handle.graceful_shutdown(Some(GRACE));
}

#[cfg(unix)]
async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        },
        Err(_) => drop(tokio::signal::ctrl_c().await),
    }
}

#[cfg(not(unix))]
async fn stop_signal() {
    drop(tokio::signal::ctrl_c().await);
}

fn log_to_stderr() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr).init();
}
