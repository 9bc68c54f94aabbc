//! The 32-byte secret from which the server derives its own keys: made once, kept beside the database, read by nobody
//! else. Without it no refresh token rotates and no signing key opens.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::args::{Args, Database};

const BYTES: usize = 32;

/// The secret from its file, which is made if there is none; without any file, one that ends with the process.
pub(crate) fn load(args: &Args) -> Result<Zeroizing<[u8; BYTES]>, String> {
    let path = match (&args.secret_file, &args.database) {
        (Some(path), _) => path.clone(),
        (None, Database::File(database)) => beside(database),
        (None, Database::Memory) => return random(),
        (None, Database::Postgres(_) | Database::Redis(_)) => {
            return Err("--secret-file is needed where the database is on a server: all that share it share the secret".into());
        }
    };
    let in_words = |error: String| format!("--secret-file {}: {error}", path.display());
    match File::open(&path) {
        Ok(file) => read(file).map_err(in_words),
        Err(error) if error.kind() == ErrorKind::NotFound => create(&path).map_err(in_words),
        Err(error) => Err(in_words(error.to_string())),
    }
}

fn beside(database: &Path) -> PathBuf {
    database.with_extension("secret")
}

fn read(mut file: File) -> Result<Zeroizing<[u8; BYTES]>, String> {
    let metadata = file.metadata().map_err(|error| error.to_string())?;
    refuse_if_others_may_read(&metadata)?;
    if metadata.len() != BYTES as u64 {
        return Err(format!("must be a file of exactly {BYTES} bytes"));
    }
    let mut secret = Zeroizing::new([0; BYTES]);
    file.read_exact(secret.as_mut_slice()).map_err(|error| error.to_string())?;
    Ok(secret)
}

fn create(path: &Path) -> Result<Zeroizing<[u8; BYTES]>, String> {
    let secret = random()?;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|error| error.to_string())?;
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(|error| error.to_string())?;
    file.write_all(secret.as_slice()).and_then(|()| file.sync_all()).map_err(|error| error.to_string())?;
    Ok(secret)
}

fn random() -> Result<Zeroizing<[u8; BYTES]>, String> {
    let mut secret = Zeroizing::new([0; BYTES]);
    getrandom::fill(secret.as_mut_slice()).map_err(|error| error.to_string())?;
    Ok(secret)
}

#[cfg(unix)]
fn refuse_if_others_may_read(metadata: &fs::Metadata) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    Err(format!("others than its owner may use it (mode {mode:03o}); make it 600"))
}

#[cfg(not(unix))]
fn refuse_if_others_may_read(_: &fs::Metadata) -> Result<(), String> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[test]
    fn the_secret_is_made_once_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("new").join("demo.sqlite");
        let args = Args::parse_from(["server", "--database", database.to_str().unwrap()]);
        let made = load(&args).unwrap();
        assert_eq!(*load(&args).unwrap(), *made);
        assert_ne!(*made, [0; BYTES]);
    }

    #[cfg(unix)]
    #[test]
    fn a_secret_that_others_may_read_or_that_has_another_length_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let args = Args::parse_from(["server", "--secret-file", path.to_str().unwrap()]);
        load(&args).unwrap();
        for mode in [0o640, 0o604] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert!(load(&args).unwrap_err().contains("make it 600"));
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "short").unwrap();
        assert!(load(&args).unwrap_err().contains("exactly 32 bytes"));
    }
}
