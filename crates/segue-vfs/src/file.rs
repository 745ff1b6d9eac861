//! An open file: each operation goes to the file underneath, unless it fails before.

use std::ffi::{c_int, c_void};
use std::sync::Arc;

use rusqlite::ffi::{self, sqlite3_file, sqlite3_int64, sqlite3_io_methods};

use crate::fault::{Act, Kind};
use crate::record::Operation;
use crate::vfs::Shared;

/// What SQLite sees as the file. The file underneath stands behind it in the same memory.
#[repr(C)]
pub(crate) struct Shim {
    base: sqlite3_file,
    state: *mut Opened,
}

struct Opened {
    shared: Arc<Shared>,
    name: String,
}

/// The file underneath.
///
/// # Safety
/// `file` has to point to `szOsFile` bytes of a file system of this crate.
pub(crate) unsafe fn behind(file: *mut sqlite3_file) -> *mut sqlite3_file {
    // SAFETY: the bytes behind the `Shim` belong to the same allocation; its size keeps them aligned for pointers.
    unsafe { file.cast::<u8>().add(size_of::<Shim>()).cast() }
}

impl Shim {
    /// Makes a file of the bytes that SQLite has given for it.
    ///
    /// # Safety
    /// The file underneath is open, and this is called once.
    pub(crate) unsafe fn begin(file: *mut sqlite3_file, shared: Arc<Shared>, name: String) {
        let state = Box::into_raw(Box::new(Opened { shared, name }));
        let shim = Shim {
            base: sqlite3_file { pMethods: &METHODS },
            state,
        };
        // SAFETY: the caller gives enough bytes, aligned as SQLite aligns all it allocates.
        unsafe { file.cast::<Shim>().write(shim) };
    }
}

/// What is known of an open file.
///
/// # Safety
/// `file` is one that [`Shim::begin`] has made and that is not closed.
unsafe fn opened<'a>(file: *mut sqlite3_file) -> &'a Opened {
    // SAFETY: the state lives from `begin` to `close`, and SQLite uses a file only in between.
    unsafe { &*(*file.cast::<Shim>()).state }
}

/// Calls a method of the file underneath.
macro_rules! under {
    ($file:ident, $method:ident $(, $argument:expr)*) => {{
        // SAFETY: the file underneath was opened by the file system underneath and is closed together with this one;
        // the arguments are those that SQLite gave for the same method.
        unsafe {
            let real = behind($file);
            match (*(*real).pMethods).$method {
                Some(method) => method(real $(, $argument)*),
                None => ffi::SQLITE_IOERR,
            }
        }
    }};
}

unsafe extern "C" fn close(file: *mut sqlite3_file) -> c_int {
    let code = under!(file, xClose);
    // SAFETY: SQLite closes a file once and never uses it afterwards.
    drop(unsafe { Box::from_raw((*file.cast::<Shim>()).state) });
    code
}

unsafe extern "C" fn read(
    file: *mut sqlite3_file,
    to: *mut c_void,
    length: c_int,
    place: sqlite3_int64,
) -> c_int {
    under!(file, xRead, to, length, place)
}

unsafe extern "C" fn write(
    file: *mut sqlite3_file,
    from: *const c_void,
    length: c_int,
    place: sqlite3_int64,
) -> c_int {
    // SAFETY: SQLite calls methods of open files only.
    let opened = unsafe { opened(file) };
    let fault = opened.shared.meet(Act::Write);
    let length = match fault {
        Some(Kind::Short) => length / 2,
        Some(kind) => return kind.code(Act::Write),
        None => length,
    };
    let code = under!(file, xWrite, from, length, place);
    if code == ffi::SQLITE_OK {
        opened.shared.note(|| {
            let length = usize::try_from(length).unwrap_or(0);
            // SAFETY: SQLite gives at least as many bytes as it says.
            let bytes = unsafe { std::slice::from_raw_parts(from.cast::<u8>(), length) };
            Operation::Write(
                opened.name.clone(),
                u64::try_from(place).unwrap_or(0),
                bytes.to_vec(),
            )
        });
    }
    fault.map_or(code, |kind| kind.code(Act::Write))
}

unsafe extern "C" fn truncate(file: *mut sqlite3_file, length: sqlite3_int64) -> c_int {
    // SAFETY: SQLite calls methods of open files only.
    let opened = unsafe { opened(file) };
    if let Some(kind) = opened.shared.meet(Act::Truncate) {
        return kind.code(Act::Truncate);
    }
    let code = under!(file, xTruncate, length);
    if code == ffi::SQLITE_OK {
        let length = u64::try_from(length).unwrap_or(0);
        opened
            .shared
            .note(|| Operation::Truncate(opened.name.clone(), length));
    }
    code
}

unsafe extern "C" fn sync(file: *mut sqlite3_file, flags: c_int) -> c_int {
    // SAFETY: SQLite calls methods of open files only.
    let opened = unsafe { opened(file) };
    if let Some(kind) = opened.shared.meet(Act::Sync) {
        return kind.code(Act::Sync);
    }
    // Whether the machine under the test keeps what it says is not what is tested, so nothing waits for its disk.
    let _ = flags;
    opened.shared.note(|| Operation::Sync(opened.name.clone()));
    ffi::SQLITE_OK
}

unsafe extern "C" fn file_size(file: *mut sqlite3_file, size: *mut sqlite3_int64) -> c_int {
    under!(file, xFileSize, size)
}

unsafe extern "C" fn lock(file: *mut sqlite3_file, level: c_int) -> c_int {
    // SAFETY: SQLite calls methods of open files only.
    let opened = unsafe { opened(file) };
    match opened.shared.meet(Act::Lock) {
        Some(kind) => kind.code(Act::Lock),
        None => under!(file, xLock, level),
    }
}

unsafe extern "C" fn unlock(file: *mut sqlite3_file, level: c_int) -> c_int {
    under!(file, xUnlock, level)
}

unsafe extern "C" fn check_reserved_lock(file: *mut sqlite3_file, out: *mut c_int) -> c_int {
    under!(file, xCheckReservedLock, out)
}

unsafe extern "C" fn file_control(file: *mut sqlite3_file, operation: c_int, argument: *mut c_void) -> c_int {
    under!(file, xFileControl, operation, argument)
}

unsafe extern "C" fn sector_size(file: *mut sqlite3_file) -> c_int {
    under!(file, xSectorSize)
}

unsafe extern "C" fn device_characteristics(file: *mut sqlite3_file) -> c_int {
    under!(file, xDeviceCharacteristics)
}

unsafe extern "C" fn shm_map(
    file: *mut sqlite3_file,
    page: c_int,
    size: c_int,
    extend: c_int,
    out: *mut *mut c_void,
) -> c_int {
    under!(file, xShmMap, page, size, extend, out)
}

unsafe extern "C" fn shm_lock(file: *mut sqlite3_file, offset: c_int, count: c_int, flags: c_int) -> c_int {
    // SAFETY: SQLite calls methods of open files only.
    let opened = unsafe { opened(file) };
    let takes = flags & ffi::SQLITE_SHM_LOCK != 0 && flags & ffi::SQLITE_SHM_EXCLUSIVE != 0;
    match takes.then(|| opened.shared.meet(Act::Lock)).flatten() {
        Some(kind) => kind.code(Act::Lock),
        None => under!(file, xShmLock, offset, count, flags),
    }
}

unsafe extern "C" fn shm_barrier(file: *mut sqlite3_file) {
    // SAFETY: as for every method of the file underneath.
    unsafe {
        let real = behind(file);
        if let Some(method) = (*(*real).pMethods).xShmBarrier {
            method(real);
        }
    }
}

unsafe extern "C" fn shm_unmap(file: *mut sqlite3_file, delete: c_int) -> c_int {
    under!(file, xShmUnmap, delete)
}

/// Version 2: with shared memory, and without pages that are written past this file system.
static METHODS: sqlite3_io_methods = sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};
