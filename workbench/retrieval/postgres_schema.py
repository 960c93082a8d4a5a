"""The tables of an index in PostgreSQL, and who sees which of their rows.

    manifest    one row: what the index is, its generation, how many documents and words are alive
    audiences   each list of readers once
    documents   a row per document: its JSON, what conditions ask for, its vector
    postings    a row per word of a document
    words       how many living documents have a word

Row-level security decides for audiences by the principals that a transaction names, and for documents and postings by
the audiences that are left. The role that searches owns nothing; how many documents have a word is the one thing that
it is told of rows that it can't see, word by word: scores need it. Without principals it sees no row.
"""

from workbench.core import RetrievalError

READER = "workbench_reader"
"""The role of every search."""
PRINCIPALS = "workbench.principals"
"""The setting that names who asks, as a JSON list."""

_TABLES = """
CREATE TABLE manifest (
    content text NOT NULL, generation bigint NOT NULL, documents bigint NOT NULL, words bigint NOT NULL,
    next_number bigint NOT NULL);
CREATE TABLE audiences (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, digest bytea NOT NULL UNIQUE, readers text[] NOT NULL);
CREATE TABLE documents (
    number bigint PRIMARY KEY, doc_id text COLLATE "C" NOT NULL UNIQUE,
    audience integer NOT NULL REFERENCES audiences, line text NOT NULL, digest bytea NOT NULL, said bytea NOT NULL,
    read bigint NOT NULL, fresh double precision NOT NULL, cut boolean NOT NULL, length integer NOT NULL,
    fields jsonb NOT NULL, vector halfvec);
ALTER TABLE documents ALTER COLUMN vector SET STORAGE PLAIN;
CREATE INDEX ON documents (audience);
CREATE TABLE postings (
    word text COLLATE "C" NOT NULL, number bigint NOT NULL, audience integer NOT NULL, count integer NOT NULL,
    length integer NOT NULL, PRIMARY KEY (word, number) INCLUDE (audience, count, length));
CREATE INDEX ON postings (number);
CREATE TABLE words (word text COLLATE "C" PRIMARY KEY, documents bigint NOT NULL);
CREATE INDEX ON words (word) WHERE documents = 0;
"""

_SECURITY = """
CREATE FUNCTION weights(asked text[]) RETURNS TABLE (word text, documents bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS
    'SELECT w.word, w.documents FROM words w WHERE w.word = ANY (asked)';
CREATE FUNCTION counts(at bigint)
    RETURNS TABLE (documents bigint, passages bigint, stale bigint, words bigint, bytes numeric)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS
    'SELECT count(*), count(*) FILTER (WHERE cut),
        count(*) FILTER (WHERE fresh < ''infinity'' AND at - read::double precision > fresh * 3600000000.0),
        coalesce(sum(length), 0)::bigint,
        (SELECT sum(pg_total_relation_size(oid)) FROM pg_class
          WHERE relnamespace = quote_ident(current_schema())::regnamespace AND relkind = ''r'')
     FROM documents';
ALTER TABLE audiences ENABLE ROW LEVEL SECURITY;
ALTER TABLE documents ENABLE ROW LEVEL SECURITY;
ALTER TABLE postings ENABLE ROW LEVEL SECURITY;
CREATE POLICY by_principal ON audiences FOR SELECT USING (readers && ARRAY(
    SELECT jsonb_array_elements_text(
        coalesce(nullif(current_setting('workbench.principals', true), ''), '[]')::jsonb)));
CREATE POLICY by_audience ON documents FOR SELECT USING (audience IN (SELECT id FROM audiences));
CREATE POLICY by_audience ON postings FOR SELECT USING (audience IN (SELECT id FROM audiences));
REVOKE ALL ON FUNCTION weights(text[]), counts(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION weights(text[]), counts(bigint) TO workbench_reader;
GRANT SELECT ON manifest, audiences, documents, postings TO workbench_reader;
"""

FIND_ROLE = "SELECT 1 FROM pg_roles WHERE rolname = %s"
MAKE_ROLE = f"CREATE ROLE {READER} NOLOGIN NOSUPERUSER NOBYPASSRLS"
JOIN_ROLE = f"GRANT {READER} TO CURRENT_USER"

MAY_WRITE = "SELECT pg_has_role(nspowner, 'USAGE') FROM pg_namespace WHERE nspname = %s"

UNSAFE = """
SELECT CASE
    WHEN EXISTS (SELECT 1 FROM pg_roles r WHERE (r.rolsuper OR r.rolbypassrls)
        AND pg_has_role(%(reader)s::name, r.oid, 'MEMBER'))
        THEN 'its role passes by row-level security, or can become one that does'
    WHEN EXISTS (SELECT 1 FROM pg_class c WHERE c.relnamespace = to_regnamespace(%(schema)s)
        AND pg_has_role(%(reader)s::name, c.relowner, 'MEMBER'))
        THEN 'its role owns a table, or is a member of the role that does'
    WHEN EXISTS (SELECT 1 FROM pg_class c WHERE c.relnamespace = to_regnamespace(%(schema)s) AND c.relname = 'words'
        AND has_table_privilege(%(reader)s::name, c.oid, 'SELECT'))
        THEN 'its role may list the words of all documents'
    WHEN EXISTS (SELECT 1 FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
        WHERE c.relnamespace = to_regnamespace(%(schema)s) AND p.polname NOT IN ('by_principal', 'by_audience'))
        THEN 'another policy than its own decides about rows'
    WHEN (SELECT count(*) FROM pg_class WHERE relnamespace = to_regnamespace(%(schema)s) AND relkind = 'r'
        AND relname IN ('audiences', 'documents', 'postings') AND relrowsecurity) < 3
        THEN 'row-level security is off'
    ELSE '' END
"""
"""Why a search can't be left to the database; empty if it can. Row-level security does not bind a table's owner, nor
whoever is a member of that role. Forcing it would bind the writer, too, who has to see all rows."""


def schema_name(index: str) -> str:
    """The schema of an index's tables, which is quoted where it stands.

    Raises: RetrievalError if PostgreSQL takes no such name.
    """
    name = f"workbench_{index}"
    if '"' in name or "\0" in name or len(name.encode()) > 63:
        raise RetrievalError(f"index {index!r}: PostgreSQL takes no such name; choose a shorter one without quotes")
    return name


def make_tables(schema: str) -> str:
    """The statements that make an index."""
    return f"""CREATE SCHEMA "{schema}"; SET LOCAL search_path = {search_path(schema)}; {_TABLES} {_SECURITY}
        GRANT USAGE ON SCHEMA "{schema}" TO {READER};"""


def search_path(schema: str) -> str:
    """Where names are looked for; what a session makes for itself comes last, so it stands in for no table."""
    return f'"{schema}", public, pg_temp'
