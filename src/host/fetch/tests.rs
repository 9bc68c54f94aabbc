use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

/// A server on loopback that answers every connection with the same bytes, one byte at a time if it is slow.
struct Server {
    port: u16,
    connections: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<String>>>,
}

async fn serve(answer: impl Into<Vec<u8>>, pause: Option<Duration>) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let connections = Arc::new(AtomicUsize::new(0));
    let requests = Arc::new(Mutex::new(Vec::new()));
    let (answer, seen, heard) = (answer.into(), connections.clone(), requests.clone());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            seen.fetch_add(1, Ordering::SeqCst);
            let (answer, heard) = (answer.clone(), heard.clone());
            tokio::spawn(async move {
                let mut request = vec![0; 8192];
                let read = stream.read(&mut request).await.unwrap_or(0);
                heard.lock().unwrap().push(String::from_utf8_lossy(&request[..read]).into_owned());
                let step = if pause.is_some() { 1 } else { 4096 };
                for chunk in answer.chunks(step) {
                    if stream.write_all(chunk).await.is_err() {
                        return;
                    }
                    if let Some(pause) = pause {
                        tokio::time::sleep(pause).await;
                    }
                }
            });
        }
    });
    Server { port, connections, requests }
}

impl Server {
    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    fn url(&self, host: &str) -> String {
        format!("http://{host}:{}/path?q=1", self.port)
    }
}

fn response(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn local() -> HttpFetch {
    HttpFetch::builder().dangerous_allow_loopback().timeout(Duration::from_millis(1500)).build().unwrap()
}

async fn get(fetch: &HttpFetch, url: &str) -> Result<FetchResponse, FetchError> {
    fetch.fetch(FetchRequest::get_json(Url::parse(url).unwrap(), 1000)).await
}

/// Answers each question with the next of its answers, and the last one for ever.
struct Changing {
    answers: Vec<Vec<IpAddr>>,
    asked: AtomicUsize,
}

impl Changing {
    fn new(answers: &[&str]) -> Arc<Self> {
        let parse = |text: &&str| text.split(' ').map(|address| address.parse().unwrap()).collect();
        Arc::new(Self { answers: answers.iter().map(parse).collect(), asked: AtomicUsize::new(0) })
    }
}

#[async_trait]
impl Resolver for Changing {
    async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        let at = self.asked.fetch_add(1, Ordering::SeqCst).min(self.answers.len() - 1);
        Ok(self.answers[at].clone())
    }
}

#[tokio::test]
async fn a_response_is_read_whole_with_its_status_and_headers() {
    let server = serve(response(r#"{"a":1}"#), None).await;
    let answer = get(&local(), &server.url("127.0.0.1")).await.unwrap();
    assert_eq!(
        (answer.status, answer.body.as_slice(), answer.is_json()),
        (200, br#"{"a":1}"#.as_slice(), true)
    );
    let heard = server.requests.lock().unwrap().join("").to_ascii_lowercase();
    assert!(heard.starts_with("get /path?q=1 http/1.1") && heard.contains("accept: application/json"));
}

#[tokio::test]
async fn a_form_is_posted_with_its_headers() {
    let server = serve(response("{}"), None).await;
    let url = Url::parse(&server.url("127.0.0.1")).unwrap();
    let mut request = FetchRequest::post_form(url, "token=abc".into(), 100);
    request.headers.push(("authorization", "Basic c2VjcmV0".into()));
    assert!(!format!("{request:?}").contains("c2VjcmV0") && !format!("{request:?}").contains("abc"));
    local().fetch(request).await.unwrap();
    let heard = server.requests.lock().unwrap().join("");
    assert!(heard.starts_with("POST /path?q=1") && heard.ends_with("\r\n\r\ntoken=abc"));
    assert!(heard.contains("Basic c2VjcmV0") && heard.contains("application/x-www-form-urlencoded"));
}

#[tokio::test]
async fn special_addresses_in_the_url_are_refused_however_they_are_written() {
    let (server, fetch) = (serve(response("{}"), None).await, HttpFetch::new().unwrap());
    let hosts = "127.0.0.1 127.1 0x7f000001 2130706433 0177.0.0.1 0 [::1] [::ffff:127.0.0.1] [::ffff:7f00:1] \
        [::127.0.0.1] [64:ff9b::7f00:1] [2002:7f00:1::] 10.0.0.1 169.254.169.254 192.168.0.1 [fd00:ec2::254] \
        [fe80::1] 100.100.100.200 224.0.0.1 255.255.255.255 192.0.2.1";
    for host in hosts.split_whitespace() {
        let url = format!("https://{host}:{}/", server.port);
        assert!(matches!(get(&fetch, &url).await, Err(FetchError::Refused(_))), "{host}");
    }
    for host in hosts.split_whitespace().filter(|host| host.contains("ffff") || host.contains("64:")) {
        let url = format!("http://{host}:{}/", server.port);
        assert!(matches!(get(&local(), &url).await, Err(FetchError::Refused(_))), "{host} with loopback");
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_name_that_resolves_to_special_addresses_is_refused_at_the_connection() {
    let server = serve(response("{}"), None).await;
    for address in ["127.0.0.1", "::1", "169.254.169.254", "10.0.0.1 ::ffff:127.0.0.1", "64:ff9b::7f00:1"] {
        let resolver = Changing::new(&[address]);
        let fetch = HttpFetch::builder().resolver(resolver.clone()).build().unwrap();
        let url = format!("https://as.example:{}/", server.port);
        assert_eq!(get(&fetch, &url).await, Err(FetchError::Refused(http_fetch_refusal())), "{address}");
        assert_eq!(resolver.asked.load(Ordering::SeqCst), 1);
    }
    assert_eq!(server.connections(), 0);
}

fn http_fetch_refusal() -> &'static str {
    "the name has no public address"
}

#[tokio::test]
async fn a_name_that_changes_its_answer_is_judged_at_every_connection() {
    let server = serve(response("{}"), None).await;
    let resolver = Changing::new(&["127.0.0.1", "169.254.169.254", "10.0.0.1 127.0.0.1", "8.8.8.8"]);
    let fetch = HttpFetch::builder().dangerous_allow_loopback().resolver(resolver.clone()).build().unwrap();
    let url = server.url("localhost");
    assert_eq!(get(&fetch, &url).await.unwrap().status, 200);
    assert_eq!(get(&fetch, &url).await, Err(FetchError::Refused(http_fetch_refusal())));
    assert_eq!(
        get(&fetch, &url).await.unwrap().status,
        200,
        "the private address is dropped from the answer"
    );
    assert_eq!(get(&fetch, &url).await, Err(FetchError::Refused(http_fetch_refusal())), "localhost is here");
    assert_eq!(resolver.asked.load(Ordering::SeqCst), 4, "one look-up for each connection, none beside it");
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn plain_http_is_spoken_only_with_this_machine_and_only_on_demand() {
    let server = serve(response("{}"), None).await;
    let safe = HttpFetch::new().unwrap();
    for host in ["127.0.0.1", "localhost", "as.example", "8.8.8.8"] {
        assert!(matches!(get(&safe, &server.url(host)).await, Err(FetchError::Refused(_))), "{host}");
    }
    for host in ["as.example", "8.8.8.8", "localhost.example", "user@localhost", "u:p@127.0.0.1"] {
        assert!(matches!(get(&local(), &server.url(host)).await, Err(FetchError::Refused(_))), "{host}");
    }
    assert_eq!(server.connections(), 0);
    assert!(get(&local(), &server.url("localhost")).await.is_ok());
    for url in ["ftp://8.8.8.8/", "file:///etc/passwd", "data:,x", "ws://8.8.8.8/", "https://u@8.8.8.8/"] {
        assert!(matches!(get(&local(), url).await, Err(FetchError::Refused(_))), "{url}");
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let target = serve(response("{}"), None).await;
    for status in [301, 302, 303, 307, 308] {
        let answer = format!(
            "HTTP/1.1 {status} Moved\r\nLocation: {}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
            target.url("127.0.0.1")
        );
        let server = serve(answer, None).await;
        assert_eq!(get(&local(), &server.url("127.0.0.1")).await.unwrap().status, status);
    }
    assert_eq!(target.connections(), 0);
}

#[tokio::test]
async fn a_response_that_is_too_long_is_cut_off_whether_it_says_so_or_not() {
    let exact = serve(response(&"x".repeat(1000)), None).await;
    assert_eq!(get(&local(), &exact.url("127.0.0.1")).await.unwrap().body.len(), 1000);
    let said = serve(response(&"x".repeat(1001)), None).await;
    assert_eq!(get(&local(), &said.url("127.0.0.1")).await, Err(FetchError::TooLarge));
    let unsaid = format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}", "x".repeat(1001));
    let unsaid = serve(unsaid, None).await;
    assert_eq!(get(&local(), &unsaid.url("127.0.0.1")).await, Err(FetchError::TooLarge));
}

#[tokio::test]
async fn a_server_that_drips_or_keeps_silent_costs_no_more_than_the_timeout() {
    let slow = serve(response(&"x".repeat(900)), Some(Duration::from_millis(20))).await;
    let silent = serve("H", Some(Duration::from_secs(60))).await;
    for server in [slow, silent] {
        let begun = Instant::now();
        let answer = get(&local(), &server.url("127.0.0.1")).await;
        assert!(matches!(answer, Err(FetchError::Timeout | FetchError::Failed(_))), "{answer:?}");
        assert!(begun.elapsed() < Duration::from_secs(5));
    }
}

#[tokio::test]
async fn broken_answers_and_closed_ports_are_failures() {
    let half = serve("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", None).await;
    let noise = serve("\0\0\0\0", None).await;
    for server in [half, noise] {
        assert!(matches!(get(&local(), &server.url("127.0.0.1")).await, Err(FetchError::Failed(_))));
    }
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let closed = get(&local(), &format!("http://127.0.0.1:{port}/")).await;
    assert!(matches!(closed, Err(FetchError::Failed(_))));
    let plain = serve(response("{}"), None).await;
    let tls = get(&local(), &format!("https://127.0.0.1:{}/", plain.port)).await;
    assert!(matches!(tls, Err(FetchError::Failed(_))), "no downgrade to plain http");
}
