//! A metadata service whose handlers are guarded: DataHub's entity endpoints, with its privileges,
//! on SQLite, or on PostgreSQL for several nodes.
//!
//! ```console
//! $ cargo run --example gms --features full
//! $ curl http://localhost:8080/entities/urn:li:corpuser:datahub -H "Authorization: Bearer $TOKEN"
//! $ curl http://localhost:9002/api/gms/entities/urn:li:corpuser:datahub -H "Authorization: Bearer $TOKEN"
//! ```
//!
//! The first start makes a folder with a signing key, a salt and two databases, and shows a token and a
//! password of the root user. `routes` is where to begin reading: what each handler asks for, and how
//! little that takes. `front` is what DataHub has on port 9002: log-in, the page on which people make
//! their tokens, and the way to the metadata service.
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
mod database;
mod delete;
mod entities;
mod facts;
mod folder;
mod front;
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
mod sweep;
mod target;
#[cfg(test)]
mod tests;

use std::{
    error::Error,
    io::{self, IsTerminal, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs},
    path::PathBuf,
    process::ExitCode,
    str::FromStr,
    sync::Arc,
    time::Duration,
};

use axum::Router;
use clap::Parser;
use tokio::{net::TcpListener, signal, sync::watch};
use tower_pat::{Authenticator, policy::GraphFacts, session::PublicUrl};

#[cfg(feature = "postgres")]
use crate::database::Url;
use crate::{
    database::Database,
    folder::{Folder, NewSecrets},
    root::{SetUp, Urls},
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
    /// PostgreSQL for tokens, users and policies, such as postgres://user@host/database, which several
    /// nodes can share; entities stay in the folder. All nodes need the same key and salt, and each a
    /// folder of its own. The first one shows the token and the password of the root user; of several
    /// that start at once, one does.
    /// A password is better given by PGPASSWORD or PGPASSFILE, since others can see arguments.
    #[cfg(feature = "postgres")]
    #[arg(long, value_name = "URL")]
    database: Option<Url>,
    /// Address and port to listen on; port 0 takes any that is free.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080", value_parser = address)]
    listen: SocketAddr,
    /// Address and port for the settings page, log-in, and the way to the metadata service below
    /// /api/gms; "none" switches it off.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9002")]
    front_door: FrontDoorAddress,
    /// Where people find the front door; by default http://localhost and its port. With https, which
    /// a proxy in front has to speak, the cookies of sessions are for https alone. Log-in from other
    /// machines needs it. Give --trusted-proxy, too, or everybody comes from the proxy's address, and
    /// wrong passwords from anywhere keep everybody out for a while.
    #[arg(long, value_name = "URL")]
    public_url: Option<PublicUrl>,
    /// The IP address from which a proxy connects with the front door. Who comes from there comes
    /// from the last address in X-Forwarded-For, which the proxy must add; nobody else may connect
    /// from there.
    #[arg(long, value_name = "IP")]
    trusted_proxy: Option<IpAddr>,
    /// Allow --listen and --front-door with addresses that other machines can reach. Tokens and
    /// passwords then cross the network in plain text, unless a proxy in front speaks TLS. Browsers on
    /// other machines log in only with a --public-url that begins with https.
    #[arg(long)]
    allow_remote: bool,
    /// Show a new token of the root user, good for 90 days, and make that user active again if it is
    /// not. Earlier tokens stay as they are.
    #[arg(long)]
    new_token: bool,
    /// Give this user a new password, such as "datahub", and show it. Ends the user's sessions. Can
    /// be given several times. The service starts with it, so end one that runs there first.
    #[arg(long, value_name = "USER")]
    new_password: Vec<String>,
}

impl Args {
    fn database(&self, folder: &Folder) -> Database {
        #[cfg(feature = "postgres")]
        if let Some(url) = &self.database {
            return Database::Postgres(url.clone());
        }
        Database::File(folder.path().join("tower-pat.db"))
    }
}

/// Where the front door listens, if it does.
#[derive(Debug, Clone, Copy)]
struct FrontDoorAddress(Option<SocketAddr>);

impl FromStr for FrontDoorAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" { Ok(Self(None)) } else { address(text).map(Some).map(Self) }
    }
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
    let gms = listen(args.listen, args, "--listen takes another address").await?;
    let front = match args.front_door.0 {
        Some(address) => {
            if !is_loopback(address) && args.public_url.is_none() {
                tracing::warn!(
                    "nobody can log in from other machines without a --public-url with https"
                );
            }
            Some(listen(address, args, "--front-door takes another address, or none").await?)
        }
        None => None,
    };
    let gms_address = gms.local_addr()?;
    let public_url = match (&args.public_url, &front) {
        (Some(url), _) => url.clone(),
        (None, Some(front)) => localhost(front)?,
        // There are sessions of a front door elsewhere, if that one says so too.
        (None, None) => localhost(&gms)?,
    };

    let folder = Folder::open(&args.data)?;
    let database = args.database(&folder);
    let new = match &database {
        #[cfg(feature = "postgres")]
        Database::Postgres(_) => NewSecrets::Refused,
        Database::File(_) if args.new_token => NewSecrets::Allowed,
        Database::File(_) => NewSecrets::OnlyForNewStore,
    };
    let config = folder.config(new)?;
    let service = MetadataService::open(folder.path(), &database, &config).await?;
    let sessions = service.sessions(&config, public_url);
    let urls = Urls {
        gms: gms_address,
        front: front.as_ref().map(|_| sessions.public_url().origin().to_owned()),
    };
    let set_up =
        SetUp { urls: &urls, new_token: args.new_token, new_passwords: &args.new_password };
    let mut stdout = io::stdout();
    root::set_up(&service, &sessions, &set_up, &mut stdout).await?;

    let facts = Arc::new(GraphFacts::new(service.clone()));
    let access = service.access(&config).facts(facts.clone());
    let authenticator = Authenticator::builder(config, service.store.clone())
        .facts(facts)
        .chain_before(Arc::new(sessions.authenticator()))
        .build()
        .await?;
    let app = routes::app(service.clone(), authenticator.clone(), access);
    let front_app =
        front::app(&sessions, &authenticator, &reachable(gms_address), args.trusted_proxy)?;
    // From here on, so that nobody is killed who has heard that this listens.
    let stop = stop()?;
    if let Some(url) = &urls.front {
        writeln!(stdout, "front door on {url}")?;
    }
    writeln!(stdout, "listening on http://{gms_address}")?;
    let serve_front = async {
        match front {
            Some(listener) => serve(listener, front_app, stop.clone()).await,
            None => Ok(()),
        }
    };
    let serve_gms = serve(gms, app, stop.clone());
    tokio::select! {
        served = async { tokio::try_join!(serve_gms, serve_front) } => {
            served?;
        }
        never = sweep::now_and_then(&*service.store) => match never {},
        // Who does not finish is not waited for.
        () = async { asked(stop.clone()).await; tokio::time::sleep(PATIENCE).await } => {}
    }
    // Of the last second.
    if let Err(error) = authenticator.flush_uses().await {
        tracing::warn!("when tokens were used last is not noted: {}", refused::chain(&error));
    }
    service.close().await;
    Ok(())
}

async fn listen(
    address: SocketAddr,
    args: &Args,
    way_out: &str,
) -> Result<TcpListener, Box<dyn Error>> {
    if !is_loopback(address) && !args.allow_remote {
        return Err(format!(
            "{address} can be reached from other machines; if that is meant, add --allow-remote"
        )
        .into());
    }
    let listening = TcpListener::bind(address).await;
    Ok(listening.map_err(|error| format!("cannot listen on {address}: {error}; {way_out}"))?)
}

fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

async fn serve(listener: TcpListener, app: Router, stop: watch::Receiver<bool>) -> io::Result<()> {
    let app = refused::catching(app).into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, app).with_graceful_shutdown(asked(stop)).await
}

/// What people on this machine write into their browser.
fn localhost(listener: &TcpListener) -> Result<PublicUrl, Box<dyn Error>> {
    Ok(format!("http://localhost:{}", listener.local_addr()?.port()).parse()?)
}

/// The URL by which what listens here is reached from here.
fn reachable(mut address: SocketAddr) -> String {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    format!("http://{address}")
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
