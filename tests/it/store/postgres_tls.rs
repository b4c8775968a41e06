//! TLS to a server with a certificate of our own making.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    process::Command,
};

use sqlx::{Connection, PgConnection};
use tempfile::TempDir;
use tokio::time::timeout;
use tower_pat::{
    actor::DirectoryStore,
    backend::StoreError,
    feed::{Change, ChangeFeed},
    store::PostgresStore,
};

use super::{SOON, read, user};
use crate::postgres::Server;

fn run(program: &str, folder: &Path, arguments: &str) {
    let output = Command::new(program)
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .output()
        .unwrap_or_else(|error| panic!("{program} (Debian: openssl) cannot be run: {error}"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Two certificate authorities, and a certificate for `localhost` that the first one has signed.
fn certificates() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2";
    for name in ["ca", "other"] {
        let subject = format!("-keyout {name}.key -out {name}.pem -subj /CN={name}");
        run("openssl", path, &format!("req -x509 {key} {subject}"));
    }
    run("openssl", path, &format!("req {key} -keyout server.key -out server.csr -subj /CN=server"));
    fs::write(path.join("names"), "subjectAltName=DNS:localhost").unwrap();
    run(
        "openssl",
        path,
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names
         -out server.pem",
    );
    // Nobody but the server's user may read its key, and that is another user for root.
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(path.join("server.key"), fs::Permissions::from_mode(0o600)).unwrap();
    if fs::metadata(path).unwrap().uid() == 0 {
        let passwd = fs::read_to_string("/etc/passwd").unwrap();
        let has_own = passwd.lines().any(|line| line.starts_with("postgres:"));
        let user = if has_own { "postgres" } else { "nobody" };
        run("chown", path, &format!("{user} server.key"));
    }
    folder
}

/// A server that takes TLS on a port of `localhost`, and where it is.
fn start(certificates: &Path) -> (Server, String) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let file = |name| certificates.join(name).to_str().unwrap().to_owned();
    let server = Server::start_at(
        port,
        &[
            "listen_addresses=localhost",
            "ssl=on",
            &format!("ssl_cert_file={}", file("server.pem")),
            &format!("ssl_key_file={}", file("server.key")),
        ],
    );
    (server, format!("postgres://tower_pat@localhost:{port}/postgres"))
}

fn with_authority(url: &str, mode: &str, authority: &Path) -> String {
    format!("{url}?sslmode={mode}&sslrootcert={}", authority.display())
}

#[tokio::test]
async fn a_server_is_trusted_by_its_authority_and_name_alone() {
    let certificates = certificates();
    let (_server, url) = start(certificates.path());
    let right = certificates.path().join("ca.pem");
    let wrong = certificates.path().join("other.pem");

    let full = with_authority(&url, "verify-full", &right);
    let store = PostgresStore::connect(&full).await.unwrap();
    let mut cursor = store.head().await.unwrap();
    timeout(SOON, store.woken()).await.unwrap();
    assert!(store.create_user(&user("alice")).await.unwrap());
    assert_eq!(read(&store, &mut cursor).await, [Change::Actor(user("alice"))]);
    // One of the pool, one that reads the feed and one that listens.
    let mut watching = PgConnection::connect(&full).await.unwrap();
    let connections: Vec<bool> = sqlx::query_scalar(
        "SELECT ssl FROM pg_stat_activity JOIN pg_stat_ssl USING (pid)
         WHERE application_name = 'tower-pat'",
    )
    .fetch_all(&mut watching)
    .await
    .unwrap();
    assert!(connections.len() >= 3 && connections.iter().all(|tls| *tls), "{connections:?}");

    let by_address = url.replace("localhost", "127.0.0.1");
    for (url, why) in [
        (with_authority(&url, "verify-full", &wrong), "another authority"),
        (with_authority(&url, "verify-ca", &wrong), "another authority"),
        (with_authority(&by_address, "verify-full", &right), "another name"),
        (format!("{url}?sslmode=verify-full"), "no authority"),
    ] {
        let refused = PostgresStore::connect(&url).await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{why}: {refused:?}");
    }
    PostgresStore::connect(&with_authority(&by_address, "verify-ca", &right)).await.unwrap();
}
