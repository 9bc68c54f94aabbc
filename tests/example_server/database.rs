//! Several servers over one database are one authorization server.

use serde_json::Value;

use crate::support::{Server, http_client, run_to_end};
use crate::{daemon, postgres, redis};

const SERVICE: &str = "client_id=demo-service&client_secret=demo-service-secret-not-for-production-0002";

async fn post(server: &str, path: &str, form: &str) -> Value {
    let request = http_client().post(format!("{server}{path}")).body(format!("{SERVICE}&{form}"));
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let answer = request.send().await.unwrap();
    let (status, body) = (answer.status(), answer.text().await.unwrap());
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap_or_default()
}

async fn is_active(server: &str, token: &str) -> bool {
    post(server, "/introspect", &format!("token={token}")).await["active"] == true
}

#[tokio::test]
async fn over_one_postgresql_database_what_one_server_issues_another_knows_and_can_revoke() {
    let Some(database) = postgres::Server::start() else { return };
    are_one(&database.url(), postgres::PASSWORD).await;
}

#[tokio::test]
async fn over_one_redis_server_what_one_server_issues_another_knows_and_can_revoke() {
    let Some(database) = redis::Server::start() else { return };
    are_one(&database.url(), redis::PASSWORD).await;
}

async fn are_one(url: &str, password: &str) {
    let (code, said) = run_to_end(&["--listen", "127.0.0.1:0", "--database", url]);
    assert!(code != Some(0) && said.contains("--secret-file"), "{said}");

    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    let addresses = [(); 2].map(|()| format!("127.0.0.1:{}", daemon::free_port()));
    let [first, second] = addresses.each_ref().map(|address| format!("http://{address}"));
    let servers = addresses.each_ref().map(|address| {
        let secret = secret.to_str().unwrap();
        let flags = ["--database", url, "--secret-file", secret, "--issuer", &first, "--listen", address];
        Server::start(&flags)
    });
    let issued = post(&first, "/token", "grant_type=client_credentials&scope=api%3Aread").await;
    let token = issued["access_token"].as_str().unwrap();
    assert!(is_active(&second, token).await);
    post(&second, "/revoke", &format!("token={token}")).await;
    assert!(!is_active(&first, token).await);
    for server in servers {
        assert!(!server.log().contains(password), "the password of the database is nobody's business");
    }
}
