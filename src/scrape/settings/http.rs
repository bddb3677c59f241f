use super::{Origin, unsupported};
use crate::Result;
use crate::keys::{Keys, wrong};
use series::Secret;
use std::fmt;
use std::path::{Path, PathBuf};

/// How a page is asked for.
#[derive(Clone, PartialEq)]
pub struct HttpSettings {
    /// User name and password, sent with every request.
    pub basic_auth: Option<BasicAuth>,
    /// An `Authorization` header, such as a bearer token.
    pub authorization: Option<Authorization>,
    /// Whom to trust, and who we are.
    pub tls: TlsSettings,
    /// Further headers.
    pub headers: Vec<(String, Credential)>,
    /// Whether to follow redirects. Credentials and `headers` are never taken to another host.
    pub follow_redirects: bool,
    /// Whether a connection is kept for the next scrape.
    pub keep_alive: bool,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            basic_auth: None,
            authorization: None,
            tls: TlsSettings::default(),
            headers: Vec::new(),
            follow_redirects: true,
            keep_alive: true,
        }
    }
}

/// User name and password (RFC 7617).
#[derive(Clone, PartialEq)]
pub struct BasicAuth {
    /// The user name.
    pub username: String,
    /// The password; absent counts as empty.
    pub password: Option<Credential>,
}

/// An `Authorization` header.
#[derive(Clone, PartialEq)]
pub struct Authorization {
    /// The scheme, such as `Bearer`.
    pub scheme: String,
    /// What follows it.
    pub credential: Credential,
}

/// Transport security. Certificates and keys are PEM.
#[derive(Clone, PartialEq, Default)]
pub struct TlsSettings {
    /// Certificate authorities, instead of the machine's.
    pub ca: Option<Credential>,
    /// Our certificate chain.
    pub certificate: Option<Credential>,
    /// Its private key.
    pub key: Option<Credential>,
    /// The name that the server's certificate has to carry, where it is not the URL's host.
    pub server_name: Option<String>,
    /// Takes any certificate: whoever sits between us and the app can read and change all.
    pub skip_verify: bool,
}

/// A secret, or where it is found.
#[derive(Clone, PartialEq)]
pub enum Credential {
    /// The secret itself.
    Text(Secret),
    /// A file that holds it, read anew for each request so that a rotated secret counts at
    /// once. White space at its ends does not belong to it.
    File(PathBuf),
    /// The name of a secret that was not found.
    Missing(String),
}

/// Says which kinds of credentials there are, never what they are.
impl fmt::Debug for HttpSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpSettings")
            .field("basic_auth", &self.basic_auth.is_some())
            .field("authorization", &self.authorization.is_some())
            .field("tls_server_name", &self.tls.server_name)
            .field("tls_skip_verify", &self.tls.skip_verify)
            .field("headers", &self.headers.len())
            .field("follow_redirects", &self.follow_redirects)
            .field("keep_alive", &self.keep_alive)
            .finish_non_exhaustive()
    }
}

impl HttpSettings {
    /// The name of the first secret that is referred to and was not found.
    #[must_use]
    pub fn missing_secret(&self) -> Option<&str> {
        let password = self
            .basic_auth
            .as_ref()
            .and_then(|auth| auth.password.as_ref());
        let token = self.authorization.as_ref().map(|auth| &auth.credential);
        let tls = [&self.tls.ca, &self.tls.certificate, &self.tls.key];
        let headers = self.headers.iter().map(|(_, value)| value);
        password
            .into_iter()
            .chain(token)
            .chain(tls.into_iter().flatten())
            .chain(headers)
            .find_map(|credential| match credential {
                Credential::Missing(name) => Some(name.as_str()),
                Credential::Text(_) | Credential::File(_) => None,
            })
    }

    pub(super) fn read(keys: &Keys<'_>, origin: &Origin<'_>) -> Result<Self> {
        for key in [
            "oauth2",
            "proxy_url",
            "proxy_from_environment",
            "sigv4",
            "azuread",
        ] {
            if keys.has(key) {
                return Err(unsupported(keys, key));
            }
        }
        let mut http = Self::default();
        if let Some(auth) = keys.keys("basic_auth")? {
            let username = match auth.text("username_file")? {
                Some(_) => return Err(unsupported(&auth, "username_file")),
                None => auth.text("username")?.unwrap_or_default(),
            };
            http.basic_auth = Some(BasicAuth {
                username,
                password: credential(&auth, "password", origin)?,
            });
        }
        http.authorization = authorization(keys, origin)?;
        if http.basic_auth.is_some() && http.authorization.is_some() {
            return Err(wrong(
                &keys.path_of("basic_auth"),
                "there is a token too, and a request carries only one of both",
            ));
        }
        for key in ["tls_config", "tls"] {
            if let Some(tls) = keys.keys(key)? {
                http.tls = TlsSettings::read(&tls, origin)?;
            }
        }
        http.headers = headers(keys, origin)?;
        http.follow_redirects = keys.flag("follow_redirects")?.unwrap_or(true);
        http.keep_alive = keys.flag("keep_alive")?.unwrap_or(true);
        Ok(http)
    }
}

impl TlsSettings {
    fn read(keys: &Keys<'_>, origin: &Origin<'_>) -> Result<Self> {
        // Certificates are no secrets; keys are.
        let public = |key: &str| -> Result<Option<Credential>> {
            match keys.text(key)? {
                Some(text) => Ok(Some(Credential::Text(Secret::new(text)))),
                None => credential(keys, key, origin),
            }
        };
        let tls = Self {
            ca: public("ca")?,
            certificate: public("cert")?,
            key: credential(keys, "key", origin)?,
            server_name: keys.text("server_name")?.filter(|name| !name.is_empty()),
            skip_verify: keys
                .flag("insecure_skip_verify")?
                .or(keys.flag("skip_verify")?)
                .unwrap_or(false),
        };
        if tls.certificate.is_some() != tls.key.is_some() {
            return Err(wrong(
                keys.path(),
                "a client certificate needs its key, and a key its certificate",
            ));
        }
        Ok(tls)
    }
}

/// Reads `password`, `password_file` or `password_secret`.
fn credential(keys: &Keys<'_>, key: &str, origin: &Origin<'_>) -> Result<Option<Credential>> {
    let file = keys
        .text(&format!("{key}_file"))?
        .filter(|path| !path.is_empty());
    let secret = keys.text(&format!("{key}_secret"))?;
    let plain = keys.text(key)?.filter(|text| !text.is_empty());
    if plain.is_some() && !origin.plain_secrets {
        return Err(wrong(
            &keys.path_of(key),
            format!(
                "a secret must not stand here, where everybody who may use the data source can \
                 read it: name a file ({key}_file) or a secret of the data source ({key}_secret)"
            ),
        ));
    }
    match (plain, file, secret) {
        (None, None, None) => Ok(None),
        (Some(text), None, None) => Ok(Some(Credential::Text(Secret::new(text)))),
        (None, Some(path), None) => Ok(Some(Credential::File(placed(&path, origin)))),
        (None, None, Some(name)) => Ok(Some(named(name, origin))),
        _ => Err(wrong(
            &keys.path_of(key),
            "it is given in more than one way",
        )),
    }
}

fn named(name: String, origin: &Origin<'_>) -> Credential {
    match (origin.secrets)(&name) {
        Some(secret) => Credential::Text(secret),
        None => Credential::Missing(name),
    }
}

pub(super) fn placed(path: &str, origin: &Origin<'_>) -> PathBuf {
    match &origin.directory {
        Some(directory) => directory.join(path),
        None => Path::new(path).to_owned(),
    }
}

fn authorization(keys: &Keys<'_>, origin: &Origin<'_>) -> Result<Option<Authorization>> {
    let mut found = Vec::new();
    if let Some(auth) = keys.keys("authorization")? {
        let scheme = auth.text("type")?.unwrap_or_else(|| "Bearer".to_owned());
        if scheme.eq_ignore_ascii_case("basic") {
            return Err(wrong(
                &auth.path_of("type"),
                "use basicAuth for a user name and password",
            ));
        }
        if let Some(credential) = credential(&auth, "credentials", origin)? {
            found.push(Authorization { scheme, credential });
        }
    }
    if let Some(credential) = credential(keys, "bearer_token", origin)? {
        found.push(Authorization {
            scheme: "Bearer".to_owned(),
            credential,
        });
    }
    if found.len() > 1 {
        return Err(wrong(
            &keys.path_of("authorization"),
            "there is a bearer token too",
        ));
    }
    Ok(found.pop())
}

/// Headers that the request itself decides.
const RESERVED: [&str; 9] = [
    "accept",
    "accept-encoding",
    "authorization",
    "connection",
    "content-length",
    "host",
    "transfer-encoding",
    "user-agent",
    "x-prometheus-scrape-timeout-seconds",
];

/// Reads `headers: {name: value}`, `header_secrets: {name: secret}` and Prometheus's
/// `http_headers: {name: {values, secrets, files}}`.
fn headers(keys: &Keys<'_>, origin: &Origin<'_>) -> Result<Vec<(String, Credential)>> {
    let mut headers = Vec::new();
    for (name, value) in keys.pairs("headers")? {
        headers.push((name, Credential::Text(Secret::new(value))));
    }
    for (name, secret) in keys.pairs("header_secrets")? {
        headers.push((name, named(secret, origin)));
    }
    if let Some(all) = keys.keys("http_headers")? {
        for (name, item) in all.items() {
            let header = item.keys()?;
            for value in header.texts("values")? {
                headers.push((name.to_owned(), Credential::Text(Secret::new(value))));
            }
            for value in header.texts("secrets")? {
                if !origin.plain_secrets {
                    return Err(wrong(
                        &header.path_of("secrets"),
                        "a secret must not stand here: use headerSecrets",
                    ));
                }
                headers.push((name.to_owned(), Credential::Text(Secret::new(value))));
            }
            for path in header.texts("files")? {
                headers.push((name.to_owned(), Credential::File(placed(&path, origin))));
            }
        }
    }
    for (name, _) in &headers {
        check_header(name, &keys.path_of("headers"))?;
    }
    Ok(headers)
}

/// Refuses what is no header's name, or the name of one that the request itself decides.
pub(super) fn check_header(name: &str, path: &str) -> Result<()> {
    if RESERVED.contains(&name.to_ascii_lowercase().as_str()) {
        return Err(wrong(path, format!("the header {name} is not free to set")));
    }
    if hyper::header::HeaderName::from_bytes(name.as_bytes()).is_err() {
        return Err(wrong(path, format!("{name:?} is no header name")));
    }
    Ok(())
}
