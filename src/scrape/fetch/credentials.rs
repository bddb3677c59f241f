//! What proves who we are, read where the settings say.

use crate::keys::wrong;
use crate::settings::{Credential, HttpSettings};
use crate::{Error, Files, Result};
use hyper::header::{AUTHORIZATION, HeaderName, HeaderValue};
use series::Secret;

/// Certificates and keys, PEM.
#[derive(Clone, PartialEq, Default)]
pub(super) struct TlsMaterial {
    pub(super) ca: Option<Secret>,
    pub(super) certificate: Option<Secret>,
    pub(super) key: Option<Secret>,
}

/// Everything that only the target itself may see.
#[derive(Clone, Default)]
pub(super) struct Credentials {
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) tls: TlsMaterial,
}

impl Credentials {
    /// Reads them, files included, so it may block.
    pub(super) fn read(http: &HttpSettings, files: &dyn Files) -> Result<Self> {
        let optional = |credential: &Option<Credential>| {
            credential.as_ref().map(|c| reveal(c, files)).transpose()
        };
        let mut headers = Vec::new();
        if let Some(auth) = &http.basic_auth {
            let password = optional(&auth.password)?;
            let password = password.as_ref().map_or("", |secret| secret.reveal());
            let pair = Secret::new(format!("{}:{password}", auth.username));
            let header = Secret::new(format!("Basic {}", base64(pair.reveal().as_bytes())));
            headers.push((AUTHORIZATION, sensitive(&header, "basicAuth")?));
        }
        if let Some(auth) = &http.authorization {
            let token = reveal(&auth.credential, files)?;
            let header = Secret::new(format!("{} {}", auth.scheme, token.reveal().trim()));
            headers.push((AUTHORIZATION, sensitive(&header, "authorization")?));
        }
        for (name, value) in &http.headers {
            let header = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| wrong("headers", format!("{name:?} is no header name")))?;
            let value = reveal(value, files)?;
            let value = Secret::new(value.reveal().trim().to_owned());
            headers.push((header, sensitive(&value, "headers")?));
        }
        Ok(Self {
            headers,
            tls: TlsMaterial {
                ca: optional(&http.tls.ca)?,
                certificate: optional(&http.tls.certificate)?,
                key: optional(&http.tls.key)?,
            },
        })
    }

    /// Whether reading them touches files.
    pub(super) fn need_files(http: &HttpSettings) -> bool {
        let is_file = |credential: &Credential| matches!(credential, Credential::File(_));
        let password = http
            .basic_auth
            .as_ref()
            .and_then(|auth| auth.password.as_ref());
        let token = http.authorization.as_ref().map(|auth| &auth.credential);
        let tls = [&http.tls.ca, &http.tls.certificate, &http.tls.key];
        password.is_some_and(is_file)
            || token.is_some_and(is_file)
            || tls.into_iter().flatten().any(is_file)
            || http.headers.iter().any(|(_, value)| is_file(value))
    }
}

fn reveal(credential: &Credential, files: &dyn Files) -> Result<Secret> {
    match credential {
        Credential::Text(secret) => Ok(secret.clone()),
        Credential::Missing(name) => Err(Error::SecretUnknown(name.clone())),
        Credential::File(path) => match String::from_utf8(files.read(path)?) {
            Ok(text) => {
                let whole = Secret::new(text);
                Ok(Secret::new(whole.reveal().trim().to_owned()))
            }
            Err(_) => Err(Error::File {
                path: path.clone(),
                reason: "it is not valid UTF-8".to_owned(),
            }),
        },
    }
}

/// A header value that hyper keeps out of its debug output.
fn sensitive(value: &Secret, setting: &str) -> Result<HeaderValue> {
    let mut header = HeaderValue::from_str(value.reveal())
        .map_err(|_| wrong(setting, "it holds characters that no header may hold"))?;
    header.set_sensitive(true);
    Ok(header)
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base64 with padding (RFC 4648), which the scheme Basic asks for.
fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk
            .iter()
            .chain([0, 0].iter())
            .take(3)
            .fold(0u32, |group, byte| (group << 8) | u32::from(*byte));
        for place in 0..4 {
            if place <= chunk.len() {
                let digit = (group >> (18 - 6 * place)) & 63;
                text.push(char::from(BASE64[digit as usize]));
            } else {
                text.push('=');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("Aladdin:open sesame", "QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
