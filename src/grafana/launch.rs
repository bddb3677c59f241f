//! How Grafana starts the process: cookie, socket, handshake line.
//!
//! The rules are hashicorp/go-plugin's (grafana-contract.md, "Launch").

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const COOKIE: (&str, &str) = ("grafana_plugin_type", "datasource");
const PROTOCOL_VERSION: &str = "2";
/// How many socket names are tried when one is taken.
const SOCKET_ATTEMPTS: u32 = 16;

/// What the environment says about the start.
#[derive(Debug, Clone)]
pub struct Launch {
    socket_dir: PathBuf,
    #[cfg_attr(unix, allow(dead_code, reason = "only Windows listens on TCP"))]
    ports: (u16, u16),
}

/// Why the process cannot be a plugin.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// Started by something else than Grafana.
    #[error("not started by Grafana: {} is not set to {:?}", COOKIE.0, COOKIE.1)]
    NoCookie,
    /// The host wants mutual TLS, which Grafana never uses.
    #[error(
        "PLUGIN_CLIENT_CERT is set: the host asks for AutoMTLS, which Headwater does not speak. \
         Grafana does not ask for it; start the plugin without it"
    )]
    AutoMtls,
    /// The host speaks other protocol versions.
    #[error("the host speaks plugin protocol {offered}; Headwater speaks {PROTOCOL_VERSION}")]
    Protocol {
        /// What it offers.
        offered: String,
    },
    /// No socket could be made.
    #[error(
        "cannot make a socket in {}: {source}. The folder must exist, be writable for Grafana's \
         user and have a path of at most about 80 bytes; PLUGIN_UNIX_SOCKET_DIR names another one",
        dir.display()
    )]
    Socket {
        /// Where it was tried.
        dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The handshake line could not be written.
    #[error("cannot write the handshake line to stdout: {0}")]
    Handshake(io::Error),
}

impl Launch {
    /// Reads the environment. `temp_dir` is used where no socket folder is named.
    ///
    /// # Errors
    /// [`LaunchError`] when this is no start by Grafana, or one that cannot work.
    pub fn from_environment(
        variables: &HashMap<String, String>,
        temp_dir: PathBuf,
    ) -> Result<Self, LaunchError> {
        let get = |name: &str| {
            variables
                .get(name)
                .map(String::as_str)
                .filter(|v| !v.is_empty())
        };
        if get(COOKIE.0) != Some(COOKIE.1) {
            return Err(LaunchError::NoCookie);
        }
        if get("PLUGIN_CLIENT_CERT").is_some() {
            return Err(LaunchError::AutoMtls);
        }
        if let Some(offered) = get("PLUGIN_PROTOCOL_VERSIONS")
            && !offered
                .split(',')
                .any(|version| version.trim() == PROTOCOL_VERSION)
        {
            return Err(LaunchError::Protocol {
                offered: offered.to_owned(),
            });
        }
        let port = |name, default| get(name).and_then(|v| v.parse().ok()).unwrap_or(default);
        Ok(Self {
            socket_dir: get("PLUGIN_UNIX_SOCKET_DIR").map_or(temp_dir, PathBuf::from),
            ports: (
                port("PLUGIN_MIN_PORT", 10_000),
                port("PLUGIN_MAX_PORT", 25_000),
            ),
        })
    }
}

/// A socket that Grafana connects to; its file goes when this is dropped.
#[cfg(unix)]
pub struct Endpoint {
    listener: Option<std::os::unix::net::UnixListener>,
    path: PathBuf,
}

#[cfg(unix)]
impl Endpoint {
    /// Makes the socket, readable and writable for this user alone, after removing those that
    /// dead processes left behind.
    ///
    /// # Errors
    /// [`LaunchError::Socket`] with the folder and what the system said.
    pub fn bind(launch: &Launch) -> Result<Self, LaunchError> {
        let dir = &launch.socket_dir;
        sweep(dir);
        let failed = |source| LaunchError::Socket {
            dir: dir.clone(),
            source,
        };
        let mut last = io::Error::from(io::ErrorKind::AddrInUse);
        for attempt in 0..SOCKET_ATTEMPTS {
            let path = dir.join(socket_name(std::process::id(), attempt));
            // The mask keeps the file from being open to others even for a moment.
            let before = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o177));
            let bound = std::os::unix::net::UnixListener::bind(&path);
            rustix::process::umask(before);
            match bound {
                Ok(listener) => {
                    listener.set_nonblocking(true).map_err(failed)?;
                    return Ok(Self {
                        listener: Some(listener),
                        path,
                    });
                }
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => last = error,
                Err(error) => return Err(failed(error)),
            }
        }
        Err(failed(last))
    }

    /// Tells the host where to connect, the only line that ever goes to stdout.
    ///
    /// # Errors
    /// [`LaunchError::Handshake`] when it cannot be written.
    pub fn announce(&self, stdout: &mut impl Write) -> Result<(), LaunchError> {
        writeln!(
            stdout,
            "1|{PROTOCOL_VERSION}|unix|{}|grpc",
            self.path.display()
        )
        .and_then(|()| stdout.flush())
        .map_err(LaunchError::Handshake)
    }

    pub(crate) fn incoming(&mut self) -> io::Result<tokio_stream::wrappers::UnixListenerStream> {
        let listener = self.listener.take().ok_or(io::ErrorKind::NotConnected)?;
        let listener = tokio::net::UnixListener::from_std(listener)?;
        Ok(tokio_stream::wrappers::UnixListenerStream::new(listener))
    }
}

#[cfg(unix)]
impl Drop for Endpoint {
    fn drop(&mut self) {
        // The next start sweeps what cannot be removed now.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// A port on the loopback address that Grafana connects to.
#[cfg(windows)]
pub struct Endpoint {
    listener: Option<std::net::TcpListener>,
    address: std::net::SocketAddr,
}

#[cfg(windows)]
impl Endpoint {
    /// Takes the first free port of the range that the host names.
    ///
    /// # Errors
    /// [`LaunchError::Socket`] when none is free.
    pub fn bind(launch: &Launch) -> Result<Self, LaunchError> {
        let failed = |source| LaunchError::Socket {
            dir: launch.socket_dir.clone(),
            source,
        };
        let mut last = io::Error::from(io::ErrorKind::AddrInUse);
        for port in launch.ports.0..=launch.ports.1 {
            match std::net::TcpListener::bind(("127.0.0.1", port)) {
                Ok(listener) => {
                    listener.set_nonblocking(true).map_err(failed)?;
                    let address = listener.local_addr().map_err(failed)?;
                    return Ok(Self {
                        listener: Some(listener),
                        address,
                    });
                }
                Err(error) => last = error,
            }
        }
        Err(failed(last))
    }

    /// Tells the host where to connect, the only line that ever goes to stdout.
    ///
    /// # Errors
    /// [`LaunchError::Handshake`] when it cannot be written.
    pub fn announce(&self, stdout: &mut impl Write) -> Result<(), LaunchError> {
        writeln!(stdout, "1|{PROTOCOL_VERSION}|tcp|{}|grpc", self.address)
            .and_then(|()| stdout.flush())
            .map_err(LaunchError::Handshake)
    }

    pub(crate) fn incoming(&mut self) -> io::Result<tokio_stream::wrappers::TcpListenerStream> {
        let listener = self.listener.take().ok_or(io::ErrorKind::NotConnected)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        Ok(tokio_stream::wrappers::TcpListenerStream::new(listener))
    }
}

const SOCKET_PREFIX: &str = "headwater-";
const SOCKET_SUFFIX: &str = ".sock";

fn socket_name(pid: u32, attempt: u32) -> String {
    format!("{SOCKET_PREFIX}{pid}-{attempt}{SOCKET_SUFFIX}")
}

/// The process that made the socket of this name, where it is one of ours.
fn socket_pid(name: &str) -> Option<u32> {
    let (pid, attempt) = name
        .strip_prefix(SOCKET_PREFIX)?
        .strip_suffix(SOCKET_SUFFIX)?
        .split_once('-')?;
    attempt.parse::<u32>().ok()?;
    pid.parse().ok()
}

/// Removes sockets of dead processes: nobody answers, and no process has that number.
///
/// Both are asked, because a number may belong to a process of another container, and a socket
/// refuses connections for a moment between being made and being listened on.
#[cfg(unix)]
fn sweep(dir: &Path) {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return;
    };
    for entry in entries.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(socket_pid) else {
            continue;
        };
        let path = entry.path();
        if !is_running(pid) && !answers(&path) {
            let _ = std::fs::remove_file(path);
        }
    }
}

#[cfg(unix)]
fn answers(socket: &Path) -> bool {
    match std::os::unix::net::UnixStream::connect(socket) {
        Ok(_) => true,
        Err(error) => error.kind() != io::ErrorKind::ConnectionRefused,
    }
}

#[cfg(unix)]
fn is_running(pid: u32) -> bool {
    let Some(pid) = i32::try_from(pid)
        .ok()
        .and_then(rustix::process::Pid::from_raw)
    else {
        return false;
    };
    // A process of another user answers with "not permitted", and so is there.
    rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH)
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn environment(pairs: &[(&str, &str)]) -> HashMap<String, String> {
        pairs
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect()
    }

    fn launch_in(dir: &Path) -> Launch {
        let variables = environment(&[COOKIE, ("PLUGIN_PROTOCOL_VERSIONS", "2")]);
        Launch::from_environment(&variables, dir.to_owned()).unwrap()
    }

    #[test]
    fn only_grafanas_cookie_makes_a_plugin() {
        for pairs in [&[][..], &[("grafana_plugin_type", "panel")]] {
            let result = Launch::from_environment(&environment(pairs), PathBuf::new());
            assert!(matches!(result, Err(LaunchError::NoCookie)));
        }
    }

    #[test]
    fn hosts_that_want_something_else_are_told() {
        let mtls = environment(&[COOKIE, ("PLUGIN_CLIENT_CERT", "x")]);
        let error = Launch::from_environment(&mtls, PathBuf::new()).unwrap_err();
        assert!(error.to_string().contains("AutoMTLS"));
        let old = environment(&[COOKIE, ("PLUGIN_PROTOCOL_VERSIONS", "1,3")]);
        let error = Launch::from_environment(&old, PathBuf::new()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the host speaks plugin protocol 1,3; Headwater speaks 2"
        );
    }

    #[test]
    fn a_socket_is_private_and_goes_with_its_endpoint() {
        let dir = tempfile::tempdir().unwrap();
        let endpoint = Endpoint::bind(&launch_in(dir.path())).unwrap();
        let mut line = Vec::new();
        endpoint.announce(&mut line).unwrap();
        let line = String::from_utf8(line).unwrap();
        let path = line
            .strip_prefix("1|2|unix|")
            .unwrap()
            .strip_suffix("|grpc\n")
            .unwrap();
        let path = PathBuf::from(path);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        drop(endpoint);
        assert!(!path.exists());
    }

    #[test]
    fn a_taken_name_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let first = Endpoint::bind(&launch_in(dir.path())).unwrap();
        let second = Endpoint::bind(&launch_in(dir.path())).unwrap();
        assert_ne!(first.path, second.path);
        assert!(first.path.exists());
    }

    #[test]
    fn sockets_of_dead_processes_are_swept_and_others_left() {
        let dir = tempfile::tempdir().unwrap();
        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        let dead = dir.path().join(socket_name(child.id(), 0));
        drop(std::os::unix::net::UnixListener::bind(&dead).unwrap());
        let other = dir.path().join("other.sock");
        std::fs::write(&other, "").unwrap();
        let _endpoint = Endpoint::bind(&launch_in(dir.path())).unwrap();
        assert!(!dead.exists());
        assert!(other.exists());
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = Endpoint::bind(&launch_in(Path::new("/nowhere/at/all")))
            .err()
            .unwrap();
        assert!(error.to_string().contains("/nowhere/at/all"), "{error}");
    }
}
