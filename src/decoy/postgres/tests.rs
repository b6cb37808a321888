//! Conversations; what a genuine PostgreSQL 15.20 of Debian 12 says was captured.
