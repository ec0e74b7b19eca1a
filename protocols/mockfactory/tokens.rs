//! Tokens of the control plane: the admin token, kept readable for its owner in `DIR/admin-token`, and further
//! ones, kept as SHA-256 digests in `DIR/tokens.json`. A token's text is shown once, when it is made.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::{constant_time, digest};
use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD, HEXLOWER};
use serde::{Deserialize, Serialize};
use storage::{Fault, Kind, Timestamp};

use crate::credentials::random;

pub const ADMIN_TOKEN_FILE: &str = "admin-token";
const TOKENS_FILE: &str = "tokens.json";
/// The admin token's id in lists; it cannot be revoked there.
pub const ADMIN_ID: &str = "admin";
const PREFIX: &str = "mf_";
/// 43 characters of URL-safe base64.
const TOKEN_BYTES: usize = 32;
const ID_BYTES: usize = 10;
/// Tokens beside the admin token.
const TOKENS_MAX: usize = 1000;
/// Only the owner reads what holds a secret.
const SECRET_MODE: u32 = 0o600;

/// What a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Look at everything but credentials.
    Read,
    Admin,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Token {
    pub id: String,
    pub name: String,
    pub scope: Scope,
    pub created_ms: u64,
    /// By the machine's clock.
    pub expires_ms: Option<u64>,
    /// SHA-256 in hexadecimal: tokens are random enough to need no salt.
    digest: String,
}

pub struct Tokens {
    path: PathBuf,
    admin: [u8; 32],
    others: RwLock<Arc<Vec<Token>>>,
}

/// Tokens as found or made in the data directory.
pub struct Opened {
    pub tokens: Arc<Tokens>,
    pub admin_token: String,
    /// It was made just now.
    pub minted: bool,
}

impl Tokens {
    pub fn open(dir: &Path) -> Result<Opened, Fault> {
        let admin_path = dir.join(ADMIN_TOKEN_FILE);
        let found = match fs::read_to_string(&admin_path) {
            Ok(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(at(&admin_path, error)),
        };
        let minted = found.is_none();
        let admin_token = match found {
            Some(token) => token,
            None => mint()?,
        };
        if minted {
            write_secret(&admin_path, format!("{admin_token}\n").as_bytes())?;
        } else {
            fs::set_permissions(&admin_path, fs::Permissions::from_mode(SECRET_MODE))
                .map_err(|error| at(&admin_path, error))?;
        }
        let path = dir.join(TOKENS_FILE);
        let others: Vec<Token> = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|error| Fault::Internal(anyhow::anyhow!("{}: {error}", path.display())))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(at(&path, error)),
        };
        let admin = sha256(&admin_token);
        let tokens = Arc::new(Self { path, admin, others: RwLock::new(Arc::new(others)) });
        Ok(Opened { tokens, admin_token, minted })
    }

    /// What the bearer of `token` may do; `None` where it is unknown or has expired.
    pub fn scope(&self, token: &str, now: Timestamp) -> Option<Scope> {
        let digest = sha256(token);
        if constant_time::verify_slices_are_equal(&digest, &self.admin).is_ok() {
            return Some(Scope::Admin);
        }
        let shown = HEXLOWER.encode(&digest);
        let others = self.all();
        let same =
            |other: &&Token| constant_time::verify_slices_are_equal(other.digest.as_bytes(), shown.as_bytes()).is_ok();
        let token = others.iter().find(same)?;
        (token.expires_ms.is_none_or(|expires| now.0 < expires)).then_some(token.scope)
    }

    /// Those beside the admin token, oldest first.
    pub fn all(&self) -> Arc<Vec<Token>> {
        Arc::clone(&self.others.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes a token and keeps it; writes to disk. The text is not kept.
    pub fn create(
        &self,
        name: String,
        scope: Scope,
        now: Timestamp,
        expires_ms: Option<u64>,
    ) -> Result<(Token, String), Fault> {
        let text = mint()?;
        let id = format!("tok-{}", random(ID_BYTES, &BASE32_NOPAD)?.to_ascii_lowercase());
        let digest = HEXLOWER.encode(&sha256(&text));
        let token = Token { id, name, scope, created_ms: now.0, expires_ms, digest };
        self.change(|tokens| {
            if tokens.len() >= TOKENS_MAX {
                return Err(Fault::Quota { what: "tokens" });
            }
            tokens.push(token.clone());
            Ok(())
        })?;
        Ok((token, text))
    }

    /// Revokes a token; writes to disk.
    pub fn delete(&self, id: &str) -> Result<(), Fault> {
        if id == ADMIN_ID {
            let why = format!("the admin token is replaced by removing the file {ADMIN_TOKEN_FILE} and starting again");
            return Err(Fault::Conflict { why });
        }
        self.change(|tokens| {
            let at = tokens.iter().position(|token| token.id == id);
            let at = at.ok_or_else(|| Fault::not_found(Kind::Token, id))?;
            tokens.remove(at);
            Ok(())
        })
    }

    /// On disk first: a token that was answered survives a crash, one that was revoked does not.
    fn change(&self, edit: impl FnOnce(&mut Vec<Token>) -> Result<(), Fault>) -> Result<(), Fault> {
        let mut others = self.others.write().unwrap_or_else(PoisonError::into_inner);
        let mut changed = others.as_ref().clone();
        edit(&mut changed)?;
        let bytes = serde_json::to_vec_pretty(&changed).map_err(|error| Fault::Internal(error.into()))?;
        write_secret(&self.path, &bytes)?;
        *others = Arc::new(changed);
        Ok(())
    }
}

fn mint() -> Result<String, Fault> {
    Ok(format!("{PREFIX}{}", random(TOKEN_BYTES, &BASE64URL_NOPAD)?))
}

fn sha256(text: &str) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
    out
}

/// Replaces a file as a whole; its readers see the old text or the new one, also after a crash.
fn write_secret(path: &Path, bytes: &[u8]) -> Result<(), Fault> {
    let fresh = path.with_extension("new");
    let write = || {
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(SECRET_MODE).open(&fresh)?;
        file.set_permissions(fs::Permissions::from_mode(SECRET_MODE))?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&fresh, path)?;
        path.parent().map_or(Ok(()), |dir| fs::File::open(dir)?.sync_all())
    };
    write().map_err(|error| at(path, error))
}

fn at(path: &Path, error: io::Error) -> Fault {
    Fault::Internal(anyhow::Error::new(error).context(path.display().to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1000);

    #[test]
    fn the_admin_token_is_made_once_and_only_its_owner_reads_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let first = Tokens::open(dir.path()).expect("opens");
        assert!(first.minted && first.admin_token.starts_with(PREFIX));
        let mode = fs::metadata(dir.path().join(ADMIN_TOKEN_FILE)).expect("the file").permissions().mode();
        assert_eq!(mode & 0o777, SECRET_MODE);
        let second = Tokens::open(dir.path()).expect("opens");
        assert!(!second.minted);
        assert_eq!(second.admin_token, first.admin_token);
        assert_eq!(second.tokens.scope(&first.admin_token, NOW), Some(Scope::Admin));
        assert_eq!(second.tokens.scope("mf_wrong", NOW), None);
        assert_eq!(second.tokens.scope("", NOW), None);
    }

    #[test]
    fn others_are_kept_as_digests_expire_and_are_revoked() {
        let dir = tempfile::tempdir().expect("a directory");
        let tokens = Tokens::open(dir.path()).expect("opens").tokens;
        let (reader, text) = tokens.create("ci".to_owned(), Scope::Read, NOW, Some(2000)).expect("made");
        let kept = fs::read_to_string(dir.path().join(TOKENS_FILE)).expect("the file");
        assert!(kept.contains(&reader.id) && !kept.contains(&text));

        let tokens = Tokens::open(dir.path()).expect("opens").tokens;
        assert_eq!(tokens.scope(&text, Timestamp(1999)), Some(Scope::Read));
        assert_eq!(tokens.scope(&text, Timestamp(2000)), None);
        tokens.delete(&reader.id).expect("revoked");
        assert_eq!(tokens.scope(&text, NOW), None);
        assert!(matches!(tokens.delete(&reader.id), Err(Fault::NotFound { .. })));
        assert!(matches!(tokens.delete(ADMIN_ID), Err(Fault::Conflict { .. })));
    }
}
