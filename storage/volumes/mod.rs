//! Where environments lie on disk, and how one becomes two: btrfs snapshot, reflink, or hard links and copies.
