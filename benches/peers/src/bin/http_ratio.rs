//! Requests per second over HTTP: the token endpoint against a handler that reads the body and answers a constant.
//!
//! ```text
//! cargo run --release --manifest-path benches/peers/Cargo.toml --bin http_ratio
//! ```
//!
//! Both are axum routers, each served by a runtime on one thread. `wrk -t1 -c32` posts the same client
//! credentials request to each in turn; the answer of the bare handler is as long as a token response. The token
//! endpoint authenticates the client, issues an opaque token and keeps it in a memory store. Exits with 1 when the
//! median of the rounds' ratios is below 0.75.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, ExitCode};

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use grantor::profile::RefreshRotation;
use tokio::net::TcpListener;

use self::fixture::{BASIC, CLIENT_CREDENTIALS, Fixture};

#[path = "../../../fixture/mod.rs"]
#[allow(dead_code)]
mod fixture;

const ROUNDS: usize = 9;
const BUDGET: f64 = 0.75;

fn main() -> ExitCode {
    let fixture = Fixture::new(1000, RefreshRotation::Public);
    let body =
        fixture.send(fixture::confidential("/token", CLIENT_CREDENTIALS), http::StatusCode::OK).into_body();
    let bare = Router::new().route(
        "/token",
        post(move |form: Bytes| async move {
            assert!(!form.is_empty());
            ([(http::header::CONTENT_TYPE, "application/json")], body)
        }),
    );
    let bare = serve(bare);
    // A store of its own for each round: what one round issued must not weigh on the next.
    let grantor =
        || serve(grantor::http::axum::router(&Fixture::new(10_000_000, RefreshRotation::Public).http));

    let script = std::env::temp_dir().join(format!("token-{}.lua", std::process::id()));
    let lua = format!(
        "wrk.method = 'POST'\nwrk.body = '{CLIENT_CREDENTIALS}'\n\
         wrk.headers['Content-Type'] = 'application/x-www-form-urlencoded'\nwrk.headers['Authorization'] = '{BASIC}'\n"
    );
    std::fs::write(&script, lua).unwrap();
    let rate = |address: SocketAddr| {
        let output = Command::new("wrk")
            .args(["-t1", "-c32", "-d2s", "-s"])
            .arg(&script)
            .arg(format!("http://{address}/token"))
            .output()
            .unwrap();
        let report = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && !report.contains("Non-2xx"), "{report}");
        let rate = report.lines().find_map(|line| line.trim().strip_prefix("Requests/sec:")).unwrap();
        rate.trim().parse::<f64>().unwrap()
    };

    (rate(bare), rate(grantor()));
    println!("{:>12} {:>12} {:>7}   requests per second", "bare axum", "grantor", "ratio");
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        let (bare, own) = (rate(bare), rate(grantor()));
        ratios.push(own / bare);
        println!("{bare:>12.0} {own:>12.0} {:>7.2}", own / bare);
    }
    std::fs::remove_file(&script).unwrap();
    ratios.sort_by(f64::total_cmp);
    let median = ratios[ROUNDS / 2];
    println!("median ratio {median:.2}, at least {BUDGET}");
    if median >= BUDGET { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Serves a router on one thread of its own.
fn serve(router: Router) -> SocketAddr {
    let (ready, address) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        runtime.block_on(async move {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            ready.send(listener.local_addr().unwrap()).unwrap();
            axum::serve(listener, router).await.unwrap();
        });
    });
    address.recv().unwrap()
}
