//! A Kubernetes API server of a cluster in which nothing is: istiod wants one, even where its configuration comes from a folder.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use anyhow::Result;

/// What istiod lists, by the last part of the path, and what such a list is called.
const LISTS: [(&str, &str); 13] = [
    ("services", "ServiceList"),
    ("pods", "PodList"),
    ("nodes", "NodeList"),
    ("namespaces", "NamespaceList"),
    ("endpointslices", "EndpointSliceList"),
    ("configmaps", "ConfigMapList"),
    ("secrets", "SecretList"),
    ("ingresses", "IngressList"),
    ("ingressclasses", "IngressClassList"),
    ("serviceaccounts", "ServiceAccountList"),
    ("customresourcedefinitions", "CustomResourceDefinitionList"),
    ("mutatingwebhookconfigurations", "MutatingWebhookConfigurationList"),
    ("validatingwebhookconfigurations", "ValidatingWebhookConfigurationList"),
];

/// Starts it on loopback; it ends with this process.
pub(super) fn start() -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || serve(stream));
        }
    });
    Ok(address)
}

/// What kubectl's configuration says of it.
pub(super) fn kubeconfig(address: SocketAddr) -> String {
    format!(
        "apiVersion: v1\nkind: Config\nclusters: [{{name: empty, cluster: {{server: \"http://{address}\"}}}}]\n\
         users: [{{name: anyone, user: {{}}}}]\ncontexts: [{{name: empty, context: {{cluster: empty, user: anyone}}}}]\n\
         current-context: empty\n"
    )
}

fn serve(mut stream: TcpStream) {
    let (mut read, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        let mut fields = [httparse::EMPTY_HEADER; 64];
        let mut request = httparse::Request::new(&mut fields);
        match request.parse(&read) {
            Err(_) => return,
            Ok(httparse::Status::Partial) => match stream.read(&mut piece) {
                Ok(0) | Err(_) => return,
                Ok(count) => read.extend_from_slice(&piece[..count]),
            },
            Ok(httparse::Status::Complete(size)) => {
                let target = request.path.unwrap_or_default().to_owned();
                let metadata = request.headers.iter().any(|field| {
                    field.name == "Accept" && field.value.windows(7).any(|part| part == b"Partial")
                });
                read.drain(..size);
                if stream.write_all(answer(&target, metadata).as_bytes()).is_err() {
                    return;
                }
            }
        }
    }
}

/// Lists are empty, watches stay open and say nothing, and all else is not found.
fn answer(target: &str, metadata: bool) -> String {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let parts: Vec<_> = path.trim_matches('/').split('/').collect();
    let (status, body) = if path == "/version" {
        (200, r#"{"major":"1","minor":"36","gitVersion":"v1.36.3"}"#.to_owned())
    } else if query.contains("sendInitialEvents") {
        // Whoever asks for a list by a watch lists then, and watches.
        (
            422,
            r#"{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Invalid","code":422}"#
                .to_owned(),
        )
    } else if query.contains("watch=true") {
        return "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
            .to_owned();
    } else if let Some((_, kind)) = LISTS.iter().find(|(name, _)| parts.last() == Some(name)) {
        let group = if parts[0] == "api" { "v1".to_owned() } else { parts[1..3].join("/") };
        let (kind, group) =
            if metadata { ("PartialObjectMetadataList", "meta.k8s.io/v1") } else { (*kind, &*group) };
        (
            200,
            format!(
                r#"{{"kind":"{kind}","apiVersion":"{group}","metadata":{{"resourceVersion":"1"}},"items":[]}}"#
            ),
        )
    } else {
        (
            404,
            r#"{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}"#
                .to_owned(),
        )
    };
    let length = body.len();
    format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")
}
