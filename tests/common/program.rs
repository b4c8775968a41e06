//! The example `gms`, built. Included by `#[path]`, in more than one test.

use std::{ffi::OsStr, path::PathBuf};

use serde_json::Value;
use tokio::{process::Command, sync::OnceCell};

/// The example's program, built as this test was: with the same features, cargo has little to do.
pub(crate) async fn program() -> &'static OsStr {
    static PROGRAM: OnceCell<PathBuf> = OnceCell::const_new();
    let build = async || {
        let mut features =
            vec!["axum", "front-door", "graphql", "rest", "session", "settings", "sqlite"];
        for (feature, is_on) in [
            ("aws-lc-rs", cfg!(feature = "aws-lc-rs")),
            ("rust-crypto", cfg!(feature = "rust-crypto")),
            ("tonic", cfg!(feature = "tonic")),
            ("postgres", cfg!(feature = "postgres")),
            ("postgres-tls", cfg!(feature = "postgres-tls")),
        ] {
            features.extend(is_on.then_some(feature));
        }
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
        cargo.args(["build", "--example", "gms", "--message-format", "json", "--offline"]);
        cargo.args(["--no-default-features", "--features", &features.join(",")]);
        if !cfg!(debug_assertions) {
            cargo.arg("--release");
        }
        let output = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output().await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let messages = String::from_utf8(output.stdout).unwrap();
        let messages = messages.lines().filter_map(|line| serde_json::from_str(line).ok());
        messages
            .filter(|message: &Value| message["target"]["name"] == "gms")
            .find_map(|message| message["executable"].as_str().map(PathBuf::from))
            .expect("cargo says where the example is")
    };
    PROGRAM.get_or_init(build).await.as_os_str()
}
