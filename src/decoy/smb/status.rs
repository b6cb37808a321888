//! Status codes (MS-ERREF §2.3).
#![allow(missing_docs, reason = "their names say it")]

pub(super) const OK: u32 = 0;
pub(super) const PENDING: u32 = 0x103;
pub(super) const BUFFER_OVERFLOW: u32 = 0x8000_0005;
pub(super) const NO_MORE_FILES: u32 = 0x8000_0006;
pub(super) const NOT_IMPLEMENTED: u32 = 0xc000_0002;
pub(super) const INVALID_INFO_CLASS: u32 = 0xc000_0003;
pub(super) const INFO_LENGTH_MISMATCH: u32 = 0xc000_0004;
pub(super) const INVALID_HANDLE: u32 = 0xc000_0008;
pub(super) const INVALID_PARAMETER: u32 = 0xc000_000d;
pub(super) const NO_SUCH_FILE: u32 = 0xc000_000f;
pub(super) const INVALID_DEVICE_REQUEST: u32 = 0xc000_0010;
pub(super) const END_OF_FILE: u32 = 0xc000_0011;
pub(super) const MORE_PROCESSING: u32 = 0xc000_0016;
pub(super) const ACCESS_DENIED: u32 = 0xc000_0022;
pub(super) const NAME_INVALID: u32 = 0xc000_0033;
pub(super) const NAME_NOT_FOUND: u32 = 0xc000_0034;
pub(super) const NAME_COLLISION: u32 = 0xc000_0035;
pub(super) const PATH_NOT_FOUND: u32 = 0xc000_003a;
pub(super) const PATH_SYNTAX_BAD: u32 = 0xc000_003b;
pub(super) const LOGON_FAILURE: u32 = 0xc000_006d;
pub(super) const ACCOUNT_DISABLED: u32 = 0xc000_0072;
pub(super) const DISK_FULL: u32 = 0xc000_007f;
pub(super) const INSUFFICIENT_RESOURCES: u32 = 0xc000_009a;
pub(super) const FILE_IS_A_DIRECTORY: u32 = 0xc000_00ba;
pub(super) const NOT_SUPPORTED: u32 = 0xc000_00bb;
pub(super) const NETWORK_NAME_DELETED: u32 = 0xc000_00c9;
pub(super) const BAD_NETWORK_NAME: u32 = 0xc000_00cc;
pub(super) const REQUEST_NOT_ACCEPTED: u32 = 0xc000_00d0;
pub(super) const PIPE_EMPTY: u32 = 0xc000_00d9;
pub(super) const NOT_A_DIRECTORY: u32 = 0xc000_0103;
pub(super) const FILE_CLOSED: u32 = 0xc000_0128;
pub(super) const USER_SESSION_DELETED: u32 = 0xc000_0203;
pub(super) const FS_DRIVER_REQUIRED: u32 = 0xc000_019c;
pub(super) const NOT_A_REPARSE_POINT: u32 = 0xc000_0275;
pub(super) const NOT_FOUND: u32 = 0xc000_0225;
/// SMB 1: no such user identifier.
pub(super) const BAD_UID: u32 = 0x005b_0002;
/// SMB 1: no such tree.
pub(super) const BAD_TID: u32 = 0x0005_0002;
/// SMB 1: no such command.
pub(super) const BAD_COMMAND: u32 = 0x0016_0002;
