//! Clients that name their user (CIBA): the person answers in the inbox, a test by a link, or the server by itself.

use serde_json::Value;

use crate::support::{Browser, PASSWORD, Server, USERNAME, http_client};

const SECRET: &str = "demo-bank-secret-not-for-production-0006";
const CIBA: &str = "urn:openid:params:grant-type:ciba";

async fn post(server: &Server, path: &str, fields: &[(&str, &str)]) -> (u16, Value) {
    let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let request = http_client().post(server.url(path)).basic_auth("demo-bank", Some(SECRET));
    let request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap())
}

/// Asks for the demo user, and returns the `auth_req_id`.
async fn ask(server: &Server, hint: &str) -> String {
    let fields = [("scope", "openid profile"), ("login_hint", hint), ("binding_message", "W4SCT")];
    let (status, told) = post(server, "/bc-authorize", &fields).await;
    assert_eq!(status, 200, "{told}");
    told["auth_req_id"].as_str().unwrap().to_owned()
}

async fn poll(server: &Server, auth_req_id: &str) -> (u16, Value) {
    post(server, "/token", &[("grant_type", CIBA), ("auth_req_id", auth_req_id)]).await
}

#[tokio::test]
async fn a_person_answers_in_the_inbox() {
    let server = Server::start(&[]);
    let mut browser = Browser::new(&server);
    let login = browser.get("/login").await;
    let home = browser.sign_in(&login, USERNAME, PASSWORD).await;
    assert!(home.html.contains("id=\"inbox\""));
    assert!(browser.get("/inbox").await.html.contains("Nothing waits for you"));
    for (decision, hint) in [("approve", "alice"), ("deny", "alice@example.test")] {
        let auth_req_id = ask(&server, hint).await;
        assert_eq!(poll(&server, &auth_req_id).await.1["error"], "authorization_pending");
        let inbox = browser.get("/inbox").await;
        assert!(inbox.html.contains("Demo Bank") && inbox.html.contains("W4SCT"), "{}", inbox.html);
        let (csrf, grant) = (inbox.field("csrf").unwrap(), inbox.field("grant").unwrap());
        let forged = browser.post("/inbox", &[("csrf", "x"), ("grant", grant), ("decision", decision)]).await;
        assert_eq!(forged.status, 400);
        let done = browser.post("/inbox", &[("csrf", csrf), ("grant", grant), ("decision", decision)]).await;
        assert!(browser.follow(done).await.html.contains("Nothing waits for you"));
        let (status, answer) = poll(&server, &auth_req_id).await;
        match decision {
            "approve" => assert!(status == 200 && answer["id_token"].is_string(), "{answer}"),
            _ => assert_eq!((status, &answer["error"]), (400, &"access_denied".into())),
        }
    }
    let (status, told) = post(&server, "/bc-authorize", &[("scope", "openid"), ("login_hint", "x")]).await;
    assert_eq!((status, &told["error"]), (400, &"unknown_user_id".into()));
    assert_eq!(browser.get("/ciba-sim?token=x&type=allow").await.status, 404, "there are no test controls");
}

#[tokio::test]
async fn a_test_answers_by_a_link_and_the_server_by_itself_where_it_is_told_to() {
    let server = Server::start(&["--test-controls"]);
    let mut browser = Browser::new(&server);
    for (kind, expected) in [("allow", 200), ("deny", 400)] {
        let auth_req_id = ask(&server, USERNAME).await;
        let link = format!("/ciba-sim?token={auth_req_id}&type={kind}");
        assert_eq!(browser.get(&link).await.status, 200);
        assert_eq!(browser.get(&link).await.status, 400, "once");
        assert_eq!(poll(&server, &auth_req_id).await.0, expected);
    }
    let server = Server::start(&["--ciba-auto-approve"]);
    let auth_req_id = ask(&server, USERNAME).await;
    for turn in 0.. {
        let (status, answer) = poll(&server, &auth_req_id).await;
        if status == 200 {
            break;
        }
        assert!(turn < 100, "{answer}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// A client from a file, whose own server listens on this machine, is sent its tokens there.
#[tokio::test]
async fn a_client_with_a_server_of_its_own_is_sent_its_tokens() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, mut sent) = tokio::sync::mpsc::unbounded_channel();
    let take = move |headers: axum::http::HeaderMap, body: String| async move {
        sender.send((headers["authorization"].to_str().unwrap().to_owned(), body)).unwrap();
        axum::http::StatusCode::NO_CONTENT
    };
    let own = axum::Router::new().route("/cb", axum::routing::post(take));
    tokio::spawn(async move { axum::serve(listener, own).await });

    let folder = tempfile::tempdir().unwrap();
    let clients = folder.path().join("clients.json");
    let client = serde_json::json!([{
        "client_id": "demo-bank",
        "client_secret": SECRET,
        "grant_types": [CIBA, "refresh_token"],
        "backchannel_token_delivery_mode": "push",
        "backchannel_client_notification_endpoint": format!("http://{address}/cb"),
        "scope": "openid profile",
    }]);
    std::fs::write(&clients, client.to_string()).unwrap();
    let server = Server::start(&["--test-controls", "--clients", clients.to_str().unwrap()]);
    for (kind, name) in [("allow", "id_token"), ("deny", "error")] {
        let fields =
            [("scope", "openid"), ("login_hint", USERNAME), ("client_notification_token", "its-own-token")];
        let (status, told) = post(&server, "/bc-authorize", &fields).await;
        assert_eq!(status, 200, "{told}");
        let auth_req_id = told["auth_req_id"].as_str().unwrap();
        let (status, answer) = poll(&server, auth_req_id).await;
        assert_eq!((status, &answer["error"]), (400, &"unauthorized_client".into()));
        let link = format!("/ciba-sim?token={auth_req_id}&type={kind}");
        assert_eq!(Browser::new(&server).get(&link).await.status, 200);
        let (header, body) = sent.recv().await.unwrap();
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((header.as_str(), &body["auth_req_id"]), ("Bearer its-own-token", &told["auth_req_id"]));
        assert!(body[name].is_string(), "{body}");
    }
}
