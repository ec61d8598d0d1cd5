"""The way from the broker into the database: `ingest` judges a message, `client` carries it."""
