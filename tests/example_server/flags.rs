//! The command line: what is printed, and what is refused.

use std::fs;

use crate::support::{Browser, PASSWORD, Server, USERNAME, http_client, run_to_end};

#[tokio::test]
async fn the_start_prints_where_to_go_and_with_what() {
    let server = Server::start(&[]);
    assert!(server.issuer.starts_with("http://127.0.0.1:") && !server.issuer.ends_with(":0"));
    for words in [
        "alice / wonderland",
        "demo-web",
        "demo-spa",
        "demo-service",
        "demo-api",
        "demo-first-party",
        "scope=openid+profile+email",
        "/userinfo -H",
    ] {
        assert!(server.banner.contains(words), "{words}");
    }
    let metadata = http_client().get(server.url("/.well-known/oauth-authorization-server"));
    let metadata: serde_json::Value =
        serde_json::from_slice(&metadata.send().await.unwrap().bytes().await.unwrap()).unwrap();
    assert_eq!(metadata["issuer"], server.issuer);
    assert_eq!(metadata["jwks_uri"], server.url("/jwks"));
}

#[tokio::test]
async fn clients_users_and_resources_can_come_from_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (clients, users) = (path("clients.json"), path("users.json"));
    fs::write(
        &clients,
        r#"[{"client_id":"mine","client_secret":"short","grant_types":["client_credentials"],"scope":"api:read"}]"#,
    )
    .unwrap();
    fs::write(&users, r#"[{"username":"bob","password":"builder","claims":{"name":"Bob"}}]"#).unwrap();
    let resource = "https://other.example.test/";
    let server = Server::start(&["--clients", &clients, "--users", &users, "--resource", resource]);
    let form = "grant_type=client_credentials&resource=https%3A%2F%2Fother.example.test%2F";
    let request = http_client().post(server.url("/token")).basic_auth("mine", Some("short")).body(form);
    let answer = request.header("content-type", "application/x-www-form-urlencoded").send().await.unwrap();
    assert_eq!(answer.status(), 200);

    let mut browser = Browser::new(&server);
    let login = browser.get("/login").await;
    assert!(browser.sign_in(&login, USERNAME, PASSWORD).await.html.contains("Sign-in failed"));
    assert!(browser.sign_in(&login, "bob", "builder").await.html.contains("Your account"));
}

#[tokio::test]
async fn only_the_lenient_profile_lets_a_confidential_client_omit_pkce() {
    for (flags, leads_to) in [(&[][..], "error=invalid_request"), (&["--profile", "oidc_compat"], "/login?")]
    {
        let server = Server::start(flags);
        let url = server.url("/authorize?response_type=code&client_id=demo-web&scope=profile");
        let answer = http_client().get(url).send().await.unwrap();
        let location = answer.headers()["location"].to_str().unwrap();
        assert!(location.contains(leads_to), "{flags:?} {location}");
    }
}

#[test]
fn a_flag_that_cannot_be_is_named_and_ends_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (bad, readable) = (file("bad.json", "{"), file("secret", "x"));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (flags, said) in [
        (vec!["--listen", "nowhere"], "--listen"),
        (vec!["--listen", &taken], "--listen"),
        (vec!["--issuer", "http://as.example"], "--issuer"),
        (vec!["--issuer", "https://as.example/tenant"], "--issuer"),
        (vec!["--profile", "lenient"], "--profile"),
        (vec!["--resource", "https://api.example/#x"], "--resource"),
        (vec!["--refresh-rotation", "never"], "--refresh-rotation"),
        (vec!["--trusted-proxy", "localhost"], "--trusted-proxy"),
        (vec!["--tls-cert", &bad], "--tls-key"),
        (vec!["--tls-cert", &bad, "--tls-key", &bad], "--tls-cert"),
        (vec!["--clients", &bad], "--clients"),
        (vec!["--clients", "/nonexistent"], "--clients"),
        (vec!["--users", &bad], "--users"),
        (vec!["--secret-file", &readable], "--secret-file"),
        (vec!["--database", folder.path().to_str().unwrap()], "--database"),
        (vec!["--surprise"], "--surprise"),
    ] {
        let mut all = flags.clone();
        if !flags.contains(&"--listen") {
            all.extend(["--listen", "127.0.0.1:0"]);
        }
        if !flags.contains(&"--database") {
            all.extend(["--database", "memory:"]);
        }
        let (code, message) = run_to_end(&all);
        assert_eq!(code, Some(2), "{flags:?}: {message}");
        assert!(message.contains(said), "{flags:?}: {message}");
    }
}
