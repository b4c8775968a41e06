//! The folder with everything in it, and its secrets.

use std::{
    env,
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use tower_pat::{
    config::{Config, ConfigError},
    random::{OsRandom, RandomError, secret},
};
use zeroize::Zeroizing;

/// The data folder, held by this process until it ends.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    _lock: File,
}

/// Whether new secrets may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NewSecrets {
    /// Yes.
    Allowed,
    /// Not where there are tokens that new secrets would end.
    OnlyForNewStore,
    /// No: other nodes have to have the same.
    #[cfg(feature = "postgres")]
    Refused,
}

impl Folder {
    /// The folder at `path`, which is created for its owner alone.
    pub(crate) fn open(path: &Path) -> Result<Self, FolderError> {
        let failed = |what, source| FolderError::Io { what, path: path.to_owned(), source };
        let mut builder = DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.recursive(true).create(path).map_err(|error| failed("create", error))?;
        // Who can write here could put another file in the place of any of ours.
        if mode(&fs::metadata(path).map_err(|error| failed("read", error))?) & 0o022 != 0 {
            return Err(FolderError::Writable(path.to_owned()));
        }
        let lock = private(OpenOptions::new().write(true).create(true).truncate(false))
            .open(path.join("lock"))
            .map_err(|error| failed("write to", error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(FolderError::InUse(path.to_owned())),
            Err(TryLockError::Error(error)) => Err(failed("lock", error)),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The configuration with key and salt from the environment, and from the file what is not
    /// there. A file that is needed and missing is made.
    pub(crate) fn config(&self, new: NewSecrets) -> Result<Config, FolderError> {
        let path = self.path.join("secrets.env");
        let mut file = None;
        for name in [SIGNING_KEY, SALT] {
            if from_env(name)?.is_some() {
                tracing::info!("{name} is taken from the environment");
                if path.exists() {
                    tracing::warn!("that in {} is not used", path.display());
                }
            } else {
                if file.is_none() {
                    file = Some(self.secrets(&path, new)?);
                }
                tracing::info!("{name} is taken from {}", path.display());
            }
        }
        let file = file.unwrap_or_default();
        // What is blank in the environment counts as not set.
        let var = |name: &str| match from_env(name) {
            Ok(Some(value)) => Some(value),
            _ => line(&file, name).map(str::to_owned),
        };
        Config::from_vars(var).map_err(FolderError::Config)
    }

    fn secrets(&self, path: &Path, new: NewSecrets) -> Result<Zeroizing<String>, FolderError> {
        let failed = |what, source| FolderError::Io { what, path: path.to_owned(), source };
        let mut text = Zeroizing::new(String::new());
        match File::open(path) {
            Ok(mut file) => {
                if mode(&file.metadata().map_err(|error| failed("read", error))?) & 0o077 != 0 {
                    return Err(FolderError::Readable(path.to_owned()));
                }
                file.read_to_string(&mut text).map_err(|error| failed("read", error))?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                #[cfg(feature = "postgres")]
                if new == NewSecrets::Refused {
                    return Err(FolderError::NotShared(self.path.clone()));
                }
                if new == NewSecrets::OnlyForNewStore && self.path.join("tower-pat.db").exists() {
                    return Err(FolderError::Lost(path.to_owned()));
                }
                let (key, salt) = (secret(&OsRandom)?, secret(&OsRandom)?);
                let (key, salt) = (Zeroizing::new(key), Zeroizing::new(salt));
                *text = format!("{SIGNING_KEY}={}\n{SALT}={}\n", *key, *salt);
                self.write_secrets(path, &text).map_err(|error| failed("write", error))?;
                tracing::info!("made a signing key and a salt in {}", path.display());
            }
            Err(error) => return Err(failed("read", error)),
        }
        for name in [SIGNING_KEY, SALT] {
            if line(&text, name).is_none_or(str::is_empty) {
                return Err(FolderError::Incomplete { path: path.to_owned(), name });
            }
        }
        Ok(text)
    }

    /// Either the whole file is there, and stays, or none.
    fn write_secrets(&self, path: &Path, text: &str) -> io::Result<()> {
        let temporary = path.with_extension("new");
        // Of a start that did not get further; nobody else is here, since the folder is locked.
        match fs::remove_file(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = private(OpenOptions::new().write(true).create_new(true)).open(&temporary)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        File::open(&self.path)?.sync_all()
    }
}

/// Why the folder or its secrets cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FolderError {
    #[error("cannot {what} {}", path.display())]
    Io {
        what: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("others can write to {}; chmod go-w it", .0.display())]
    Writable(PathBuf),
    #[error("{} is in use by another gms", .0.display())]
    InUse(PathBuf),
    #[error("others can read {}; chmod 600 it", .0.display())]
    Readable(PathBuf),
    #[error("{} has no {name}", path.display())]
    Incomplete { path: PathBuf, name: &'static str },
    #[error(
        "{} is gone, and with it all tokens; put it back, set {SIGNING_KEY} and {SALT} as before, \
         or begin anew with --new-token",
        .0.display()
    )]
    Lost(PathBuf),
    #[cfg(feature = "postgres")]
    #[error(
        "with --database, set {SIGNING_KEY} and {SALT} as on the other nodes, or put their secrets.env \
         into {}",
        .0.display()
    )]
    NotShared(PathBuf),
    #[error("{0} is not UTF-8")]
    NotUnicode(&'static str),
    #[error(transparent)]
    Random(#[from] RandomError),
    #[error("the configuration is refused")]
    Config(#[source] ConfigError),
}

/// The variable of this name, unless it is not set or blank.
fn from_env(name: &str) -> Result<Option<String>, FolderError> {
    match env::var(name) {
        Ok(value) => Ok(Some(value).filter(|value| !value.trim().is_empty())),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => {
            Err(FolderError::NotUnicode(if name == SALT { SALT } else { SIGNING_KEY }))
        }
    }
}

/// The value in a line `name=value`.
fn line<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
}

fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

#[cfg(unix)]
fn mode(metadata: &fs::Metadata) -> u32 {
    std::os::unix::fs::PermissionsExt::mode(&metadata.permissions())
}

#[cfg(not(unix))]
fn mode(_: &fs::Metadata) -> u32 {
    0
}

const SIGNING_KEY: &str = "DATAHUB_TOKEN_SERVICE_SIGNING_KEY";
const SALT: &str = "DATAHUB_TOKEN_SERVICE_SALT";
