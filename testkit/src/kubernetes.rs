//! A real Kubernetes on loopback: etcd and an API server, without nodes, controllers or privileges.
//!
//! Nothing makes pods, EndpointSlices or tokens here but who writes them. Beside the administrator there are users for RBAC: see
//! [`Kubernetes::user`].

mod authority;
mod client;
mod manifest;
mod parts;
mod process;

use std::fs;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use serde_json::Value;
use tempfile::TempDir;

use self::authority::Authority;
use self::client::Client;
use self::manifest::Named;
use self::process::Process;
use crate::{Connection, free_ports};

pub use self::parts::Parts;

/// Longer than the slowest machine takes to start one.
const LONG: Duration = Duration::from_secs(60);
/// Between two looks at something that tells nobody when it is so.
const LOOK: Duration = Duration::from_millis(20);

/// The cluster. All of it ends with the value, also when a test fails: then it shows what its programs said last.
pub struct Kubernetes {
    /// kubectl's configuration of the administrator, in the group `system:masters`.
    pub kubeconfig: PathBuf,
    /// `https://127.0.0.1:…`
    pub url: String,
    /// Those of the users with tokens; the first is the administrator's.
    clients: [(&'static str, Client); 4],
    authority: Authority,
    // In the order in which they end.
    api_server: Process,
    etcd: Process,
    folder: TempDir,
}

/// How objects are applied that nobody else has.
const FORCED: &str = "fieldManager=testkit&force=true";
const DRY_RUN: &str = "fieldManager=testkit&force=true&dryRun=All";

/// Who is told of in the file of tokens, with the group of the first.
const USERS: [(&str, &str); 4] =
    [("admin", ",\"system:masters\""), ("editor", ""), ("viewer", ""), ("nobody", "")];

/// What `editor` and `viewer` may do; nothing puts together the roles `edit` and `view` that Kubernetes has itself, since that is
/// a controller's work.
const ROLES: &str = r#"
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: viewer}
rules:
- {apiGroups: [networking.istio.io], resources: ["*"], verbs: [get, list, watch]}
- {apiGroups: [""], resources: [namespaces, services, endpoints, pods, nodes, configmaps], verbs: [get, list, watch]}
- {apiGroups: [discovery.k8s.io], resources: [endpointslices], verbs: [get, list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: editor}
rules:
- {apiGroups: [networking.istio.io], resources: ["*"], verbs: [create, update, patch, delete]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: viewers}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: viewer}
subjects: [{kind: User, name: viewer}, {kind: User, name: editor}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: editors}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: editor}
subjects: [{kind: User, name: editor}]
"#;

/// Why the server did not take an object.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// 403, 409, 422 and so on.
    pub status: StatusCode,
    /// The server's words, and those of who was asked by it.
    pub message: String,
    /// All that it answered, a `Status`.
    pub answer: Value,
}

impl Kubernetes {
    /// The programs that it takes; without them a test says that it skips.
    pub fn available() -> Option<Parts> {
        Parts::find()
    }

    /// Starts one, and waits until it is ready.
    pub async fn start(parts: &Parts) -> Self {
        Self::start_with(parts, &[]).await
    }

    /// The same, with more flags for the API server.
    pub async fn start_with(parts: &Parts, flags: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("kubernetes-").tempdir().unwrap();
        let authority = Authority::new(folder.path());
        let [port, store, peers] = free_ports();
        let url = format!("https://127.0.0.1:{port}");
        let tokens = USERS.map(|(name, _)| (name, token()));
        let listed: String = tokens
            .iter()
            .zip(USERS)
            .map(|((name, token), (_, group))| format!("{token},{name},{name}{group}\n"))
            .collect();
        fs::write(folder.path().join("tokens.csv"), listed).unwrap();
        for (name, token) in &tokens {
            let config = kubeconfig(&url, &authority, name, &format!("token: {token}"));
            fs::write(folder.path().join(format!("{name}.kubeconfig")), config).unwrap();
        }
        let etcd = Process::start(etcd(&parts.etcd, folder.path(), store, peers), "etcd", folder.path());
        let mut command = api_server(&parts.kube_apiserver, folder.path(), &authority, port, store);
        command.args(flags);
        let api_server = Process::start(command, "kube-apiserver", folder.path());
        let tls = authority.trusted();
        let clients = tokens.map(|(name, token)| (name, Client { port, tls: Arc::clone(&tls), token }));
        let kubeconfig = folder.path().join("admin.kubeconfig");
        let mut cluster = Self { kubeconfig, url, clients, authority, api_server, etcd, folder };
        cluster.ready().await;
        cluster.apply(ROLES).await;
        cluster
    }

    /// kubectl's configuration of a user. `admin`, `editor` (may also write Istio's resources), `viewer` (may read what a mesh is
    /// made of) and `nobody` (may do nothing) have tokens; any other gets a certificate, with a group where one is wanted.
    pub fn user(&self, name: &str, group: Option<&str>) -> PathBuf {
        let path = self.folder.path().join(format!("{name}.kubeconfig"));
        if !path.exists() {
            let (certificate, key) = self.authority.user(name, group);
            let (certificate, key) = (certificate.display(), key.display());
            let user = format!("client-certificate: \"{certificate}\", client-key: \"{key}\"");
            fs::write(&path, kubeconfig(&self.url, &self.authority, name, &user)).unwrap();
        }
        path
    }

    /// Where its files are: logs, keys, data. Others may put theirs there.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Waits until the API server says that it is ready.
    pub async fn ready(&mut self) {
        let began = Instant::now();
        loop {
            let asked =
                self.clients[0].1.send(Method::GET, "/readyz", "application/json", String::new()).await;
            if asked.is_ok_and(|(status, _)| status == StatusCode::OK) {
                return;
            }
            let runs = self.api_server.is_running() && self.etcd.is_running();
            assert!(runs && began.elapsed() < LONG, "Kubernetes is not ready after {:?}", began.elapsed());
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Kills the API server: connections are reset, and then refused.
    pub fn kill_api_server(&mut self) {
        self.api_server.kill();
    }

    /// Starts it again on the same port, and waits until it is ready.
    pub async fn start_api_server(&mut self) {
        self.api_server.restart();
        self.ready().await;
    }

    /// Stops the API server's clock: connections stay open, and nothing comes.
    pub fn pause_api_server(&self) {
        self.api_server.signal("STOP");
    }

    /// Lets it go on.
    pub fn resume_api_server(&self) {
        self.api_server.signal("CONT");
    }

    /// Kills etcd: the API server answers with errors, or not at all.
    pub fn kill_etcd(&mut self) {
        self.etcd.kill();
    }

    /// Starts it again with what it had, and waits until the API server is ready.
    pub async fn start_etcd(&mut self) {
        self.etcd.restart();
        self.ready().await;
    }

    /// The processes of the API server and of etcd, where they run.
    pub fn ids(&self) -> [Option<u32>; 2] {
        [self.api_server.id(), self.etcd.id()]
    }

    /// Sends a request as the administrator.
    pub async fn send(&self, method: Method, path: &str, kind: &str, body: String) -> (StatusCode, Value) {
        self.send_as("admin", method, path, kind, body).await
    }

    /// The same as another user that has a token.
    pub async fn send_as(
        &self,
        user: &str,
        method: Method,
        path: &str,
        kind: &str,
        body: String,
    ) -> (StatusCode, Value) {
        let (_, client) = self.clients.iter().find(|(name, _)| *name == user).unwrap();
        client.send(method, path, kind, body).await.unwrap()
    }

    /// A connection that is kept, and the header `authorization` with which its requests are those of a user that has a token.
    pub async fn connect(&self, user: &str) -> (Connection, String) {
        let (_, client) = self.clients.iter().find(|(name, _)| *name == user).unwrap();
        let connection = Connection::on(client.connect().await.unwrap()).await;
        (connection, format!("Bearer {}", client.token))
    }

    /// `GET` a path that is there.
    pub async fn get(&self, path: &str) -> Value {
        let (status, value) = self.send(Method::GET, path, "application/json", String::new()).await;
        assert_eq!(status, StatusCode::OK, "{path}: {value}");
        value
    }

    /// `DELETE` a path that is there.
    pub async fn delete(&self, path: &str) {
        let (status, value) = self.send(Method::DELETE, path, "application/json", String::new()).await;
        assert!(status.is_success(), "{path}: {status} {value}");
    }

    /// Applies objects in YAML, one after the other, server-side and by force; what they are then.
    pub async fn apply(&self, yaml: &str) -> Vec<Value> {
        self.apply_as("testkit", true, yaml).await.unwrap()
    }

    /// The same as some field manager, with or without force.
    pub async fn apply_as(&self, manager: &str, force: bool, yaml: &str) -> Result<Vec<Value>, Refusal> {
        let query = format!("fieldManager={manager}&force={force}");
        let mut applied = Vec::new();
        for (named, text) in manifest::documents(yaml) {
            applied.push(self.apply_one(&query, &named, text).await?);
        }
        Ok(applied)
    }

    /// What the server says to objects without keeping them; one does not see the other.
    pub async fn dry_run(&self, yaml: &str) -> Result<Vec<Value>, Refusal> {
        let documents = manifest::documents(yaml);
        let tried = documents.iter().map(|(named, text)| self.apply_one(DRY_RUN, named, text.clone()));
        futures::future::try_join_all(tried).await
    }

    async fn apply_one(&self, query: &str, named: &Named, text: String) -> Result<Value, Refusal> {
        let path = format!("{}?{query}", self.path(named).await);
        let (status, answer) = self.send(Method::PATCH, &path, "application/apply-patch+yaml", text).await;
        if status.is_success() {
            return Ok(answer);
        }
        let message = answer["message"].as_str().unwrap_or_default().to_owned();
        Err(Refusal { status, message, answer })
    }

    /// Applies Istio's own custom resource definitions, and waits until they are served; false where there are none.
    pub async fn apply_crds(&self, parts: &Parts) -> bool {
        let Some(path) = &parts.crds else { return false };
        let documents = manifest::documents(&fs::read_to_string(path).unwrap());
        let applied = documents.iter().map(|(named, text)| self.apply_one(FORCED, named, text.clone()));
        for definition in futures::future::try_join_all(applied).await.unwrap() {
            let name = definition["metadata"]["name"].as_str().unwrap();
            self.until(&format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}"), |it| {
                let conditions = it["status"]["conditions"].as_array();
                conditions.is_some_and(|all| {
                    all.iter().any(|it| it["type"] == "Established" && it["status"] == "True")
                })
            })
            .await;
        }
        true
    }

    /// Waits until what is at a path is as it is wanted, and returns it.
    pub async fn until(&self, path: &str, mut wanted: impl FnMut(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let (_, value) = self.send(Method::GET, path, "application/json", String::new()).await;
            if wanted(&value) {
                return value;
            }
            assert!(began.elapsed() < LONG, "{path} is still {value}");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Where an object is. A kind that was defined a moment ago is waited for.
    async fn path(&self, named: &Named) -> String {
        let mut path = None;
        self.until(&named.root(), |resources| {
            path = named.path(resources);
            path.is_some()
        })
        .await;
        path.unwrap()
    }
}

/// A word that nobody guesses: the standard library's seeds are random.
fn token() -> String {
    let number = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", number(), number())
}

fn kubeconfig(url: &str, authority: &Authority, name: &str, user: &str) -> String {
    let certificate = authority.certificate();
    format!(
        "apiVersion: v1\nkind: Config\n\
         clusters: [{{name: test, cluster: {{server: \"{url}\", certificate-authority: \"{}\"}}}}]\n\
         users: [{{name: {name}, user: {{{user}}}}}]\n\
         contexts: [{{name: test, context: {{cluster: test, user: {name}}}}}]\ncurrent-context: test\n",
        certificate.display()
    )
}

/// Nothing of it is to outlive a power failure, so it need not wait for the disk.
fn etcd(program: &Path, folder: &Path, clients: u16, peers: u16) -> Command {
    let [clients, peers] = [clients, peers].map(|port| format!("http://127.0.0.1:{port}"));
    let mut command = Command::new(program);
    command.arg("--data-dir").arg(folder.join("etcd")).arg("--unsafe-no-fsync");
    command.args(["--listen-client-urls", &clients, "--advertise-client-urls", &clients]);
    command.args(["--listen-peer-urls", &peers, "--log-level", "warn"]);
    command
}

fn api_server(program: &Path, folder: &Path, authority: &Authority, port: u16, etcd: u16) -> Command {
    let (certificate, key) =
        authority.server("kube-apiserver", &["127.0.0.1", "localhost", "kubernetes.default.svc"]);
    let (public, private) = authority.accounts();
    let mut command = Command::new(program);
    command.current_dir(folder);
    command.arg(format!("--etcd-servers=http://127.0.0.1:{etcd}"));
    // Elsewhere it would look for the address of the machine, which it tells pods: there are none.
    command.args(["--bind-address=127.0.0.1", "--advertise-address=127.0.0.1"]);
    command.args(["--endpoint-reconciler-type=none", &format!("--secure-port={port}")]);
    command.arg("--tls-cert-file").arg(certificate).arg("--tls-private-key-file").arg(key);
    command.arg("--client-ca-file").arg(authority.certificate());
    command.arg("--token-auth-file").arg(folder.join("tokens.csv"));
    command.arg("--service-account-key-file").arg(public);
    command.arg("--service-account-signing-key-file").arg(private);
    command.arg("--service-account-issuer=https://kubernetes.default.svc");
    command.arg("--api-audiences=https://kubernetes.default.svc,istio-ca");
    command.args(["--authorization-mode=RBAC", "--service-cluster-ip-range=10.96.0.0/16"]);
    // Without controllers there are no service accounts, which it would ask for before it takes a pod.
    command.arg("--disable-admission-plugins=ServiceAccount");
    command
}
