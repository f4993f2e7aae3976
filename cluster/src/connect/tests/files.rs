//! Which files are read and what they are together.

use std::env;

use super::*;

fn write(folder: &Path, name: &str, yaml: &str) -> PathBuf {
    let file = folder.join(name);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, yaml).unwrap();
    file
}

fn environment(files: &[PathBuf]) -> Environment {
    Environment { kubeconfig: Some(env::join_paths(files).unwrap()), ..Environment::default() }
}

fn chosen(environment: &Environment, name: Option<&str>) -> Result<Chosen, Error> {
    match kubeconfig::load(&Options::default(), environment)? {
        Loaded::Files(config) => kubeconfig::choose(&config, name, environment),
        Loaded::InCluster => kubeconfig::in_cluster(environment),
    }
}

const FIRST: &str = "
apiVersion: v1
kind: Config
current-context: ''
clusters:
- name: red
  cluster: {server: 'https://first:6443', certificate-authority: ca.pem, proxy-url: ''}
contexts:
- name: a
  context: {cluster: red, user: red, namespace: ''}
users:
- name: red
  user: {token: '', tokenFile: tokens/red}
";

const SECOND: &str = "
apiVersion: v1
kind: Config
current-context: b
preferences: {}
clusters:
- name: red
  cluster: {server: 'https://second:6443'}
- name: blue
  cluster: {server: 'blue.example.com:8443', insecure-skip-tls-verify: true}
contexts:
- name: a
  context: {cluster: blue, user: blue}
- name: b
  context: {cluster: blue, user: blue, namespace: shop}
users:
- name: blue
  user: {username: alice, password: secret}
";

#[test]
fn files_are_merged_as_kubectl_merges_them() {
    let folder = tempfile::tempdir().unwrap();
    let first = write(folder.path(), "one/config", FIRST);
    let second = write(folder.path(), "two/config", SECOND);
    write(folder.path(), "one/ca.pem", &Authority::new("ours").pem);
    let both = environment(&[first, folder.path().join("gone"), second, PathBuf::new()]);

    let Loaded::Files(config) = kubeconfig::load(&Options::default(), &both).unwrap() else { panic!() };
    let contexts = kubeconfig::contexts(&config, None);
    let found: Vec<(&str, &str, Option<&str>, bool)> = contexts
        .iter()
        .map(|context| (&*context.name, &*context.cluster, context.server.as_deref(), context.current))
        .collect();
    assert_eq!(
        found,
        [("a", "red", Some("https://first:6443"), false), ("b", "blue", Some("blue.example.com:8443"), true)]
    );

    let b = chosen(&both, None).unwrap();
    assert_eq!(
        (b.config.cluster_url.to_string(), &*b.config.default_namespace),
        ("https://blue.example.com:8443/".to_owned(), "shop")
    );
    let a = chosen(&both, Some("a")).unwrap();
    // Files are beside the one that names them, and what is empty is not there.
    assert_eq!(
        a.config.auth_info.token_file.as_deref(),
        Some(&*folder.path().join("one/tokens/red").to_string_lossy())
    );
    assert!(a.config.auth_info.token.is_none());
    assert_eq!(a.config.root_cert.unwrap().len(), 1);
    assert_eq!(a.config.default_namespace, "default");
}

#[test]
fn where_there_is_none_the_places_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let nothing = Environment { home: Some(folder.path().to_owned()), ..Environment::default() };
    let error = chosen(&nothing, None).unwrap_err().to_string();
    let place = folder.path().join(".kube/config");
    assert_eq!(
        error,
        format!(
            "there is no kubeconfig (looked at {}, no service account of a pod): name one with --kubeconfig or KUBECONFIG, or run \
             Meshwright inside a cluster",
            place.display()
        )
    );
    write(folder.path(), ".kube/config", SECOND);
    assert_eq!(chosen(&nothing, None).unwrap().context, "b");

    let options = Options { kubeconfig: Some(folder.path().join("gone")), ..Options::default() };
    let error = kubeconfig::load(&options, &nothing).err().unwrap().to_string();
    assert!(error.ends_with("gone cannot be used: there is no such file"), "{error}");
}

#[test]
fn a_pod_has_its_service_account() {
    let folder = tempfile::tempdir().unwrap();
    let pod = Environment {
        service: Some(("fd00::1".to_owned(), "443".to_owned())),
        service_account: folder.path().to_owned(),
        ..Environment::default()
    };
    let error = chosen(&pod, None).unwrap_err().to_string();
    assert!(error.starts_with("this is a pod without the service account that it needs: "), "{error}");
    write(folder.path(), "ca.crt", &Authority::new("ours").pem);
    write(folder.path(), "namespace", "tools\n");
    let found = chosen(&pod, None).unwrap();
    assert_eq!((&*found.context, &*found.config.default_namespace), ("in-cluster", "tools"));
    assert_eq!(found.config.cluster_url.to_string(), "https://[fd00::1]:443/");
    assert!(found.config.auth_info.token_file.unwrap().ends_with("token"));
}

#[test]
fn what_does_not_fit_together_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let cases = [
        ("a: [", "cannot be used: "),
        (
            "contexts: [{name: a, context: {cluster: x}}]",
            "the kubeconfig has no current context: choose one with --context (a)",
        ),
        (
            "{current-context: b, contexts: [{name: a, context: {cluster: x}}]}",
            "the kubeconfig has no context `b`: choose one with --context (a)",
        ),
        (
            "{current-context: a, contexts: [{name: a, context: {cluster: x}}]}",
            "the context `a` cannot be used: the kubeconfig does not have its cluster `x`",
        ),
        (
            "{current-context: a, contexts: [{name: a, context: {cluster: x}}], clusters: [{name: x, cluster: {server: ''}}]}",
            "the context `a` cannot be used: its cluster has no server",
        ),
        (
            "{current-context: a, contexts: [{name: a, context: {cluster: x, user: u}}], clusters: [{name: x, cluster: {server: 'https://a'}}]}",
            "the context `a` cannot be used: the kubeconfig does not have its user `u`",
        ),
        (
            "{current-context: a, contexts: [{name: a, context: {cluster: x}}], clusters: [{name: x, cluster: {server: 'ftp://a'}}]}",
            "its server `ftp://a` is no address of http or https",
        ),
        (
            "{current-context: a, contexts: [{name: a, context: {cluster: x}}], clusters: [{name: x, cluster: {server: 'https://a', certificate-authority: gone.pem}}]}",
            "gone.pem of its cluster cannot be read",
        ),
        (
            "{current-context: a, contexts: [{name: a, context: {cluster: x}}], clusters: [{name: x, cluster: {server: 'https://a', certificate-authority-data: aGVsbG8=}}]}",
            "certificate-authority of its cluster has no certificate in PEM",
        ),
    ];
    for (yaml, expected) in cases {
        let file = write(folder.path(), "config", yaml);
        let error = chosen(&environment(&[file]), None).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let error = chosen(&environment(&[folder.path().to_owned()]), None).unwrap_err().to_string();
    assert!(error.ends_with("cannot be used: it is a folder"), "{error}");
}

#[test]
fn addresses_are_shown_without_passwords() {
    for (given, shown) in [
        ("https://a:6443", "https://a:6443"),
        ("http://me:pass@proxy:3128", "http://proxy:3128"),
        ("https://rancher/k8s/clusters/c-1", "https://rancher/k8s/clusters/c-1"),
        ("https://a/x@y", "https://a/x@y"),
    ] {
        assert_eq!(address(&given.parse().unwrap()), shown);
    }
}
