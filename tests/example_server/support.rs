//! The example server as a process of its own, and a browser without scripts to walk through its pages.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use http::{HeaderMap, StatusCode};
use oauth2::{HttpClientError, HttpRequest, HttpResponse};
use url::Url;

pub(crate) const USERNAME: &str = "alice";
pub(crate) const PASSWORD: &str = "wonderland";
pub(crate) const REDIRECT_URI: &str = "http://127.0.0.1:8090/callback";

/// The example is built as the tests are: with optimisation in the profile of the benches.
const PROFILE: &str = if cfg!(debug_assertions) { "dev" } else { "bench" };
const START_TIMEOUT: Duration = Duration::from_secs(30);
const STOP_TIMEOUT: Duration = Duration::from_secs(15);

/// A running example server; it is killed when dropped.
pub(crate) struct Server {
    /// The issuer, as it was printed.
    pub(crate) issuer: String,
    /// All that was printed at the start.
    pub(crate) banner: String,
    process: Child,
    log: PathBuf,
    _folder: tempfile::TempDir,
}

impl Server {
    /// Starts the server on a free port. Records are in memory unless `flags` say otherwise.
    pub(crate) fn start(flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let mut command = command();
        if !flags.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        if !flags.contains(&"--database") {
            command.args(["--database", "memory:"]);
        }
        command.args(flags).stdout(Stdio::piped()).stderr(std::fs::File::create(&log).unwrap());
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let issuer = lines.next().and_then(Result::ok).unwrap_or_else(|| {
            panic!("the server did not start: {}", std::fs::read_to_string(&log).unwrap())
        });
        let issuer = issuer.split_whitespace().nth(1).unwrap().to_owned();
        let banner: Vec<_> =
            lines.map(Result::unwrap).take_while(|line| !line.starts_with("Stop it")).collect();
        let banner = banner.join("\n");
        Self { issuer, banner, process, log, _folder: folder }
    }

    /// A URL of the server.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.issuer)
    }

    /// What was logged so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// `kill -9`: the process gets no chance to finish anything.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Asks the server to stop, and waits for it.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        self.wait()
    }

    /// Waits for the server to end by itself.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + STOP_TIMEOUT;
        while Instant::now() < deadline {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the server does not end");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs the server until it ends by itself, and returns its exit code and what it said.
pub(crate) fn run_to_end(flags: &[&str]) -> (Option<i32>, String) {
    let mut process = command().args(flags).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let deadline = Instant::now() + START_TIMEOUT;
    let status = loop {
        match process.try_wait().unwrap() {
            Some(status) => break status,
            None if Instant::now() > deadline => {
                process.kill().unwrap();
                panic!("the server took {flags:?}");
            }
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    let mut said = String::new();
    process.stderr.unwrap().read_to_string(&mut said).unwrap();
    (status.code(), said)
}

fn command() -> Command {
    let mut command = Command::new(executable());
    command.env_remove("RUST_LOG");
    command
}

/// The built example. Cargo builds it beside the tests, but not when only this test was asked for; so it is asked
/// again, and tells where it is.
fn executable() -> &'static PathBuf {
    static EXECUTABLE: OnceLock<PathBuf> = OnceLock::new();
    EXECUTABLE.get_or_init(|| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let built = Command::new(cargo)
            .args(["build", "--quiet", "--example", "server", "--profile", PROFILE])
            .args(["--message-format", "json", "--manifest-path"])
            .arg(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        assert!(built.status.success(), "the example does not build");
        let messages = String::from_utf8(built.stdout).unwrap();
        let messages =
            messages.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let example = |message: &serde_json::Value| {
            let target = &message["target"];
            (target["name"] == "server" && target["kind"][0] == "example")
                .then(|| message["executable"].as_str().map(PathBuf::from))?
        };
        messages.filter_map(|message| example(&message)).next_back().unwrap()
    })
}

/// A client that follows no redirects, takes the server's own certificate, and keeps no connection to a server that
/// may be gone.
pub(crate) fn http_client() -> reqwest::Client {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .tls_danger_accept_invalid_certs(true)
        .no_proxy()
        .pool_max_idle_per_host(0)
        .build()
        .unwrap()
}

/// Carries the requests of the crates `oauth2` and `openidconnect`.
pub(crate) async fn carry(request: HttpRequest) -> Result<HttpResponse, HttpClientError<reqwest::Error>> {
    let answer = http_client().execute(request.try_into().map_err(Box::new)?).await.map_err(Box::new)?;
    let mut response = http::Response::builder().status(answer.status());
    *response.headers_mut().unwrap() = answer.headers().clone();
    Ok(response.body(answer.bytes().await.map_err(Box::new)?.into()).unwrap())
}

/// A browser: cookies, no scripts, and redirects only where it is told to.
pub(crate) struct Browser {
    http: reqwest::Client,
    /// The cookies it has.
    pub(crate) cookies: BTreeMap<String, String>,
    /// Every `Set-Cookie` header that came.
    pub(crate) set_cookies: Vec<String>,
    base: Url,
    /// What it says of where it is, as a proxy would.
    pub(crate) forwarded_for: Option<&'static str>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) html: String,
    pub(crate) url: Url,
}

impl Browser {
    pub(crate) fn new(server: &Server) -> Self {
        let base = server.issuer.parse().unwrap();
        Self {
            http: http_client(),
            cookies: BTreeMap::new(),
            set_cookies: Vec::new(),
            base,
            forwarded_for: None,
        }
    }

    pub(crate) async fn get(&mut self, url: &str) -> Page {
        let url = self.base.join(url).unwrap();
        self.send(self.http.get(url)).await
    }

    pub(crate) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Page {
        let url = self.base.join(path).unwrap();
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = self.http.post(url).header("content-type", "application/x-www-form-urlencoded");
        self.send(request.body(form)).await
    }

    /// Goes on while the answer is a redirect within the server.
    pub(crate) async fn follow(&mut self, mut page: Page) -> Page {
        while let Some(location) = page.location().filter(|location| location.origin() == self.base.origin())
        {
            page = self.get(location.as_str()).await;
        }
        page
    }

    /// Signs in on the page that is shown, and goes on.
    pub(crate) async fn sign_in(&mut self, page: &Page, username: &str, password: &str) -> Page {
        let mut fields = page.fields(&["interaction", "csrf", "then", "user_code"]);
        fields.extend([("username", username.into()), ("password", password.into())]);
        let page = self.post("/login", &borrow(&fields)).await;
        self.follow(page).await
    }

    /// Answers the consent page that is shown.
    pub(crate) async fn decide(&mut self, page: &Page, decision: &str, scope: &[&str]) -> Page {
        let mut fields = page.fields(&["interaction", "csrf"]);
        fields.push(("decision", decision.into()));
        fields.extend(scope.iter().map(|scope| ("scope", (*scope).to_owned())));
        let page = self.post("/consent", &borrow(&fields)).await;
        self.follow(page).await
    }

    /// Says yes on the page that asks whether to sign out.
    pub(crate) async fn sign_out(&mut self, page: &Page) -> Page {
        let fields = page.fields(&["client_id", "post_logout_redirect_uri", "state", "csrf"]);
        self.post("/logout", &borrow(&fields)).await
    }

    async fn send(&mut self, mut request: reqwest::RequestBuilder) -> Page {
        if let Some(address) = self.forwarded_for {
            request = request.header("x-forwarded-for", address);
        }
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let answer = request.header("cookie", cookies.join("; ")).send().await.unwrap();
        for header in answer.headers().get_all("set-cookie") {
            let header = header.to_str().unwrap();
            let (name, value) = header.split(';').next().unwrap().split_once('=').unwrap();
            if header.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
            self.set_cookies.push(header.to_owned());
        }
        let (status, headers, url) = (answer.status(), answer.headers().clone(), answer.url().clone());
        Page { status, headers, url, html: answer.text().await.unwrap() }
    }
}

impl Page {
    /// Where it leads, if it is a redirect.
    pub(crate) fn location(&self) -> Option<Url> {
        let location = self.headers.get("location")?.to_str().unwrap();
        Some(self.url.join(location).unwrap())
    }

    /// A parameter of the address it leads to.
    pub(crate) fn answer(&self, name: &str) -> Option<String> {
        let location = self.location()?;
        location.query_pairs().find(|(own, _)| own == name).map(|(_, value)| value.into_owned())
    }

    /// The values of hidden fields, as far as they are there.
    pub(crate) fn fields<'n>(&self, names: &[&'n str]) -> Vec<(&'n str, String)> {
        let field = |name: &&'n str| Some((*name, self.field(name)?.to_owned()));
        names.iter().filter_map(field).collect()
    }

    /// The value of the last hidden field of this name: that of the page's main form.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let (_, rest) = self.html.rsplit_once(&format!("name=\"{name}\" value=\""))?;
        rest.split('"').next()
    }
}

fn borrow<'f>(fields: &'f [(&'f str, String)]) -> Vec<(&'f str, &'f str)> {
    fields.iter().map(|(name, value)| (*name, value.as_str())).collect()
}
