//! The servers: processes over one database, with one issuer and one secret.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::client::{Client, SECRET};
use crate::daemon::free_port;
use crate::support::{Browser, PASSWORD, Server, USERNAME};

/// Running servers; all of them are killed when this is dropped.
pub(crate) struct Nodes {
    pub(crate) issuer: String,
    addresses: Vec<String>,
    flags: Vec<String>,
    running: Vec<Server>,
    _folder: tempfile::TempDir,
}

impl Nodes {
    /// So many servers over this database, one after the other.
    pub(crate) fn start(database: &str, number: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let addresses: Vec<_> = (0..number).map(|_| format!("127.0.0.1:{}", free_port())).collect();
        let issuer = format!("http://{}", addresses[0]);
        let (clients, secret) = (folder.path().join("clients.json"), folder.path().join("secret"));
        fs::write(&clients, registrations(&issuer)).unwrap();
        fs::write(&secret, [7; 32]).unwrap();
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
        let flags = [
            "--test-controls",
            "--issuer",
            &issuer,
            "--database",
            database,
            "--clients",
            clients.to_str().unwrap(),
            "--secret-file",
            secret.to_str().unwrap(),
        ];
        let flags = flags.map(str::to_owned).into();
        let mut nodes = Self { issuer, addresses, flags, running: Vec::new(), _folder: folder };
        nodes.running = (0..number).map(|node| nodes.started(node)).collect();
        nodes
    }

    /// `kill -9`; then it is started again where it was.
    pub(crate) fn kill_and_start(&mut self, node: usize) {
        self.running[node].kill();
        self.running[node] = self.started(node);
    }

    fn started(&self, node: usize) -> Server {
        let listen = ["--listen", &self.addresses[node]];
        let flags: Vec<&str> = self.flags.iter().map(String::as_str).chain(listen).collect();
        Server::start(&flags)
    }

    /// Whoever uses all of them, with a browser that is signed in.
    pub(crate) async fn client(&self) -> Client {
        let mut browser = Browser::new(&self.running[0]);
        let page = browser.get("/login").await;
        browser.sign_in(&page, USERNAME, PASSWORD).await;
        let cookies: Vec<_> = browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let urls = self.addresses.iter().map(|address| format!("http://{address}")).collect();
        Client::new(urls, cookies.join("; "))
    }
}

/// `app` acts for the user and may not keep a secret; `robot` acts for itself and may ask about every token.
fn registrations(issuer: &str) -> String {
    serde_json::json!([
        {
            "client_id": "app", "token_endpoint_auth_method": "none", "first_party": true, "scope": "profile",
            "redirect_uris": ["https://app.example/callback"], "grant_types": ["authorization_code", "refresh_token"],
        },
        {
            "client_id": "robot", "client_secret": SECRET, "token_endpoint_auth_method": "client_secret_post",
            "grant_types": ["client_credentials"], "resource_server_of": [issuer],
        },
    ])
    .to_string()
}
