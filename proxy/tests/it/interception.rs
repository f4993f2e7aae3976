//! Connections that the kernel redirects, in a network namespace of its own. Skipped with a word where the machine has no
//! such thing (`unshare`, `ip` and `nft` are needed).

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;

use mesh::{Mesh, Plan, Registry, Settings, Sources};
use proxy::{Config, Entry, Proxy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket};

use crate::plans::workload;
use crate::support::skipped;

/// Set in the namespace.
const INSIDE: &str = "MESHWRIGHT_IN_NAMESPACE";

/// What comes from `10.9.9.77` is redirected; the proxy's own connections come from elsewhere.
const RULES: &str = "ip link set lo up && ip addr add 10.9.9.1/24 dev lo && ip addr add 10.9.9.77/24 dev lo && \
    nft add table ip mesh && \
    nft 'add chain ip mesh output { type nat hook output priority -100 ; }' && \
    nft add rule ip mesh output ip saddr 10.9.9.77 tcp dport != 15001 redirect to :15001";

/// The test, which runs itself again in there.
const NAME: &str = "redirected_connections_go_where_they_were_meant_to";

#[test]
fn redirected_connections_go_where_they_were_meant_to() {
    if std::env::var_os(INSIDE).is_some() {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        return runtime.block_on(inside());
    }
    let ready = Command::new("unshare").args(["-rn", "sh", "-c", RULES]).output();
    if !ready.is_ok_and(|output| output.status.success()) {
        skipped("no network namespaces or no nftables here");
        return;
    }
    let inside = format!("{RULES} && exec \"$0\" --exact interception::{NAME} --nocapture");
    let exe = std::env::current_exe().unwrap();
    let output = Command::new("unshare")
        .args(["-rn", "sh", "-c", &inside])
        .arg(exe)
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

/// A server that says its name and ends.
async fn named(address: &str, name: &'static str) -> SocketAddr {
    let listener = TcpListener::bind(address).await.unwrap();
    let bound = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut buffer = [0; 1024];
                let count = stream.read(&mut buffer).await.unwrap_or(0);
                let http = buffer[..count].starts_with(b"GET");
                let said = if http {
                    format!(
                        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{name}",
                        name.len()
                    )
                } else {
                    name.to_owned()
                };
                let _ = stream.write_all(said.as_bytes()).await;
            });
        }
    });
    bound
}

/// What an address says to a client whose connections are redirected.
async fn ask(address: &str, question: &str) -> String {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("10.9.9.77:0".parse().unwrap()).unwrap();
    let mut stream = socket.connect(address.parse().unwrap()).await.unwrap();
    stream.write_all(question.as_bytes()).await.unwrap();
    let mut said = String::new();
    let _ = stream.read_to_string(&mut said).await;
    said.rsplit("\r\n").next().unwrap().to_owned()
}

fn plan(ports: [u16; 3]) -> Arc<Plan> {
    let entry = |name: &str, address: &str, number: u16, protocol: &str, port: u16| {
        format!(
            "---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: {name}}}\nspec:\n  hosts: [{name}.com]\n  addresses: [{address}]\n  resolution: STATIC\n  ports: [{{number: {number}, name: p, protocol: {protocol}}}]\n  endpoints: [{{address: 127.0.0.1, ports: {{p: {port}}}}}]\n"
        )
    };
    let yaml = entry("web", "10.9.9.50", 80, "HTTP", ports[0])
        + &entry("one", "10.9.9.51", 3306, "TCP", ports[1])
        + &entry("two", "10.9.9.52/31", 3306, "TCP", ports[2])
        + "---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: any}\nspec:\n  hosts: [any.example]\n  resolution: NONE\n  ports: [{number: 80, name: p, protocol: HTTP}]\n";
    let mesh = Mesh::parse(&Sources::single("mesh.yaml", yaml)).mesh;
    let settings = Settings::default();
    let registry = Registry::of(&mesh, &mesh::Inventory::default(), &settings);
    Arc::new(mesh::plan::compile(&mesh, &registry, &settings, &workload(), 1))
}

async fn inside() {
    let web = named("127.0.0.1:0", "web").await;
    let (one, two) = (named("127.0.0.1:0", "one").await, named("127.0.0.1:0", "two").await);
    let stranger = named("10.9.9.1:0", "stranger").await;
    let (proxy, _events) =
        Proxy::start(Config { threads: 1, intercepts: true, ..Config::default() }).unwrap();
    proxy.swap(vec![plan([web.port(), one.port(), two.port()])]).await;
    let entry = Entry { source: workload(), port: None };
    proxy.bind(entry, &["127.0.0.1:15001".parse().unwrap()]).await.unwrap();
    let get = |host: &str| format!("GET / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    assert_eq!(ask("10.9.9.50:80", &get("web.com")).await, "web");
    assert_eq!(ask("10.9.9.51:3306", "?").await, "one");
    assert_eq!(ask("10.9.9.53:3306", "?").await, "two");
    assert_eq!(ask(&stranger.to_string(), "?").await, "stranger");
    // A stranger's host is where the connection was meant to go, whatever the request says.
    let elsewhere = named("10.9.9.1:80", "elsewhere").await;
    assert_eq!(ask(&elsewhere.to_string(), &get("nobody.org")).await, "elsewhere");
    // So is that of a service whose endpoints nobody lists (`resolution: NONE`), whatever DNS says of its name.
    assert_eq!(ask(&elsewhere.to_string(), &get("any.example")).await, "elsewhere");
}
