//! A server that never learns its clients' addresses says so in its log.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::io::Write;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use common::Fixture;
use grantor::http::TrustedProxies;
use http::Request;

/// What is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// How often the log says, after three requests from this address, that it is unknown.
async fn warnings(proxies: TrustedProxies, peer: Option<&str>) -> usize {
    let fixture = Fixture::new();
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    let http = fixture.http.clone().trusted_proxies(proxies);
    let peer: Option<IpAddr> = peer.map(|peer| peer.parse().unwrap());
    for _ in 0..3 {
        let request = Request::get("/jwks").header("x-forwarded-for", "203.0.113.9");
        let answer = http.clone().handle(request.body(Bytes::new()).unwrap(), peer).await;
        assert_eq!(answer.unwrap().status(), 200);
    }
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    logged.matches("the address of a client is unknown").count()
}

#[tokio::test]
async fn that_the_addresses_of_clients_are_unknown_is_logged_once() {
    let proxy: IpAddr = "192.0.2.1".parse().unwrap();
    assert_eq!(warnings(TrustedProxies::none(), None).await, 1);
    assert_eq!(warnings(TrustedProxies::none(), Some("203.0.113.9")).await, 0);
    assert_eq!(warnings(TrustedProxies::new([proxy]), Some("192.0.2.1")).await, 0);
    assert_eq!(warnings(TrustedProxies::new([proxy]), None).await, 1, "nobody vouches for the header");
}
