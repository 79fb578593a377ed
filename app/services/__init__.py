"""The world that is not our database: keys on disk, hashing, counting, logging."""
