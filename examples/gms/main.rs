//! A metadata service whose handlers are guarded: DataHub's entity endpoints, with its privileges,
//! on SQLite.
//!
//! ```console
//! $ cargo run --example gms --features axum,graphql,rest,sqlite
//! $ curl http://localhost:8080/entities/urn:li:corpuser:datahub -H "Authorization: Bearer $TOKEN"
//! ```
//!
//! The first start makes a folder with a signing key, a salt and two databases, and shows a token of
//! the root user. `routes` is where to begin reading: what each handler asks for, and how little that
//! takes.
//!
//! What decides who may do what has one home each: users, groups and roles the directory, policies
//! and tokens their stores. Their entities are another way to these and never a way around them:
//! `registry` says of every aspect where it lives, and what bears identity or policy is read from
//! there, written there for that part's privileges, or refused.
//!
//! DataHub's Python client works with it: its commands, ingestion in all modes, emitter and SDK.
//!
//! Not here: earlier versions of aspects by number, conditional writes, lineage, patches of
//! fine-grained lineage, reading a schema field by its dataset's privileges, and constraints on the
//! tags of columns. A search finds what is in the entity store, and so no policies, roles and tokens,
//! and of users those whom something was written of; it compares whole texts and parts of them, in
//! the order of urns, without ranking, stemming, facets or highlights.

mod batch;
mod change;
mod delete;
mod entities;
mod facts;
mod folder;
mod patch;
mod proposal;
mod references;
mod refused;
mod registry;
mod root;
mod routes;
mod search;
mod series_filter;
mod service;
mod target;
#[cfg(test)]
mod tests;

use std::{
    error::Error,
    io::{self, IsTerminal, Write},
    net::{SocketAddr, ToSocketAddrs},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use clap::Parser;
use tokio::{net::TcpListener, signal, sync::watch};
use tower_pat::{Authenticator, access::Access, policy::GraphFacts};

use crate::{
    folder::{Folder, NewSecrets},
    service::MetadataService,
};

/// A metadata service guarded by personal access tokens, compatible with DataHub.
///
/// DATAHUB_TOKEN_SERVICE_SIGNING_KEY and DATAHUB_TOKEN_SERVICE_SALT, where set, are used instead of
/// the key and salt in the folder.
#[derive(Debug, Parser)]
#[command(name = "gms", version)]
struct Args {
    /// Folder for the databases and secrets; created if it is not there.
    #[arg(long, value_name = "DIR", default_value = "./tower-pat-data")]
    data: PathBuf,
    /// Address and port to listen on; port 0 takes any that is free.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080", value_parser = address)]
    listen: SocketAddr,
    /// Allow --listen with an address that other machines can reach. Tokens then cross the network
    /// in plain text, unless a proxy in front speaks TLS.
    #[arg(long)]
    allow_remote: bool,
    /// Show a new token of the root user, good for 90 days, and make that user active again if it is
    /// not. Earlier tokens stay as they are.
    #[arg(long)]
    new_token: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_max_level(tracing::Level::INFO)
        .init();
    match run(&args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell if that fails.
            let _ = writeln!(io::stderr(), "gms: {}", refused::chain(&*error));
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    if !args.listen.ip().to_canonical().is_loopback() && !args.allow_remote {
        let address = args.listen;
        return Err(format!(
            "{address} can be reached from other machines; if that is meant, add --allow-remote"
        )
        .into());
    }
    let listener = TcpListener::bind(args.listen)
        .await
        .map_err(|error| format!("cannot listen on {}: {error}", args.listen))?;
    let address = listener.local_addr()?;

    let folder = Folder::open(&args.data)?;
    let new = if args.new_token { NewSecrets::Allowed } else { NewSecrets::OnlyForNewStore };
    let config = folder.config(new)?;
    let service = MetadataService::open(folder.path(), &config).await?;
    let mut stdout = io::stdout();
    root::set_up(&service, args.new_token, address, &mut stdout).await?;

    let facts = Arc::new(GraphFacts::new(service.clone()));
    let access = Access::new(&config, Arc::new(service.store.clone())).facts(facts.clone());
    let authenticator =
        Authenticator::builder(config, service.store.clone()).facts(facts).build().await?;
    let app = routes::app(service.clone(), authenticator, access);
    // From here on, so that nobody is killed who has heard that this listens.
    let stop = stop()?;
    writeln!(stdout, "listening on http://{address}")?;
    let app = refused::catching(app);
    let server = axum::serve(listener, app).with_graceful_shutdown(asked(stop.clone()));
    tokio::select! {
        served = server => served?,
        // Who does not finish is not waited for.
        () = async { asked(stop).await; tokio::time::sleep(PATIENCE).await } => {}
    }
    service.close().await;
    Ok(())
}

/// Becomes true when somebody asks this process to end.
fn stop() -> io::Result<watch::Receiver<bool>> {
    let (asked, stop) = watch::channel(false);
    #[cfg(unix)]
    let (mut interrupted, mut terminated) = (
        signal::unix::signal(signal::unix::SignalKind::interrupt())?,
        signal::unix::signal(signal::unix::SignalKind::terminate())?,
    );
    tokio::spawn(async move {
        #[cfg(unix)]
        tokio::select! {
            _ = interrupted.recv() => {}
            _ = terminated.recv() => {}
        }
        #[cfg(not(unix))]
        if signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        // Whoever would be told has ended already if that fails.
        let _ = asked.send(true);
    });
    Ok(stop)
}

async fn asked(mut stop: watch::Receiver<bool>) {
    // An error would mean that nobody can ask any more.
    if stop.wait_for(|asked| *asked).await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let mut addresses = text.to_socket_addrs().map_err(|error| error.to_string())?;
    addresses.next().ok_or_else(|| "no such address".to_owned())
}

/// How long requests may take to finish once the service is asked to end.
const PATIENCE: Duration = Duration::from_secs(10);
