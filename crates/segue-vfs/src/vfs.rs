//! The file system itself: that of the machine, with what fails and what is remembered in between.

use std::ffi::{CStr, CString, c_char, c_int};
use std::path::Path;
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::ffi;

use crate::fault::{Act, Fault, Faults};
use crate::file;
use crate::record::{Operation, Recording};

/// A registered file system. It stays registered as long as the process lives.
#[derive(Clone)]
pub struct Vfs {
    name: String,
    shared: Arc<Shared>,
}

/// What the files of one file system share.
pub(crate) struct Shared {
    /// The file system underneath.
    pub(crate) real: *mut ffi::sqlite3_vfs,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    faults: Faults,
    records: bool,
    recording: Recording,
}

// SAFETY: `real` points to the default file system of SQLite, which lives as long as the process and may be used by all
// threads; the rest is behind a lock.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Vfs {
    /// Registers a file system under a name that no other has.
    ///
    /// # Panics
    /// When SQLite does not take it.
    #[must_use]
    pub fn register(name: &str) -> Self {
        // SAFETY: SQLite initialises itself at most once, whoever calls it.
        assert_eq!(unsafe { ffi::sqlite3_initialize() }, ffi::SQLITE_OK);
        // SAFETY: a null name asks for the default file system, which is there after initialisation.
        let real = unsafe { ffi::sqlite3_vfs_find(ptr::null()) };
        assert!(!real.is_null(), "SQLite has a default file system");
        let shared = Arc::new(Shared {
            real,
            state: Mutex::default(),
        });
        let text = CString::new(name).expect("a name has no zeros");
        // SAFETY: `real` was found above and is valid; the struct is plain data. Its functions for names, times and
        // randomness look at nothing that is changed here.
        let mut vfs = unsafe { ptr::read(real) };
        vfs.pNext = ptr::null_mut();
        vfs.zName = text.into_raw();
        vfs.szOsFile += c_int::try_from(size_of::<file::Shim>()).expect("a small number");
        vfs.pAppData = Arc::into_raw(shared.clone()).cast_mut().cast();
        vfs.xOpen = Some(open);
        vfs.xDelete = Some(delete);
        let vfs = Box::into_raw(Box::new(vfs));
        // SAFETY: the struct, its name and its data are never freed, so they outlive every use.
        let code = unsafe { ffi::sqlite3_vfs_register(vfs, 0) };
        assert_eq!(code, ffi::SQLITE_OK, "SQLite takes the file system");
        Self {
            name: name.to_owned(),
            shared,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Says what fails from now on, counted anew; or that nothing does.
    pub fn arm(&self, fault: Option<Fault>) {
        self.shared.lock().faults.arm(fault);
    }

    /// How many operations have failed since it was said what fails.
    #[must_use]
    pub fn hits(&self) -> u64 {
        self.shared.lock().faults.hits()
    }

    /// Remembers what is done from now on.
    pub fn record(&self) {
        let mut state = self.shared.lock();
        state.records = true;
        state.recording = Recording::default();
    }

    /// How much was done so far.
    #[must_use]
    pub fn recorded(&self) -> usize {
        self.shared.lock().recording.operations.len()
    }

    /// Takes what was remembered, and remembers nothing more.
    #[must_use]
    pub fn take(&self) -> Recording {
        let mut state = self.shared.lock();
        state.records = false;
        std::mem::take(&mut state.recording)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How an operation fails, if it does.
    pub(crate) fn meet(&self, act: Act) -> Option<crate::fault::Kind> {
        self.lock().faults.meet(act)
    }

    /// Something was done.
    pub(crate) fn note(&self, operation: impl FnOnce() -> Operation) {
        let mut state = self.lock();
        if state.records {
            let operation = operation();
            state.recording.operations.push(operation);
        }
    }
}

/// The end of a path; files of a test are in one folder.
fn name_of(path: *const c_char) -> String {
    if path.is_null() {
        return String::new();
    }
    // SAFETY: SQLite gives names that end with a zero and live for the call.
    let path = unsafe { CStr::from_ptr(path) }.to_string_lossy().into_owned();
    let name = Path::new(&path)
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    name.unwrap_or_default()
}

/// What the files of a file system share.
///
/// # Safety
/// `vfs` has to be one that [`Vfs::register`] has registered.
unsafe fn shared_of(vfs: *mut ffi::sqlite3_vfs) -> Arc<Shared> {
    // SAFETY: `pAppData` of such a file system is an `Arc` that is never freed; one more count is taken of it.
    unsafe {
        let shared = (*vfs).pAppData.cast::<Shared>();
        Arc::increment_strong_count(shared);
        Arc::from_raw(shared)
    }
}

unsafe extern "C" fn open(
    vfs: *mut ffi::sqlite3_vfs,
    path: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite calls this with the file system it is registered in.
    let shared = unsafe { shared_of(vfs) };
    // SAFETY: SQLite gives `szOsFile` bytes, which are enough for a `Shim` and the file underneath; a file without
    // methods is one that was not opened.
    unsafe { (*file).pMethods = ptr::null() };
    if let Some(kind) = shared.meet(Act::Open) {
        return kind.code(Act::Open);
    }
    let real = shared.real;
    // SAFETY: what stands behind the `Shim` is as large as a file underneath; `real` is the file system that opens it.
    let code = unsafe {
        match (*real).xOpen {
            Some(open) => open(real, path, file::behind(file), flags, out),
            None => ffi::SQLITE_CANTOPEN,
        }
    };
    if code == ffi::SQLITE_OK {
        // SAFETY: the bytes of `file` are SQLite's to give and are not yet a `Shim`.
        unsafe { file::Shim::begin(file, shared, name_of(path)) };
    }
    code
}

unsafe extern "C" fn delete(vfs: *mut ffi::sqlite3_vfs, path: *const c_char, sync: c_int) -> c_int {
    // SAFETY: SQLite calls this with the file system it is registered in.
    let shared = unsafe { shared_of(vfs) };
    let real = shared.real;
    // SAFETY: `real` is the file system underneath, and the path is SQLite's.
    let code = unsafe {
        match (*real).xDelete {
            Some(delete) => delete(real, path, sync),
            None => ffi::SQLITE_IOERR_DELETE,
        }
    };
    if code == ffi::SQLITE_OK {
        shared.note(|| Operation::Delete(name_of(path)));
    }
    code
}
