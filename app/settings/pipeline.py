"""Settings of what turns sessions into knowledge that is found: transcripts, workers, embeddings, the vector index, items and passages."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from app.settings.sections import Section


class VectorsSettings(Section):
    timeout_seconds: float = Field(5, gt=0, description="maximum seconds of one call to the vector engine or the Qdrant server")
    hnsw_m: int = Field(16, ge=4, description="edges per point in the HNSW graph; more edges find more, and need more memory")
    hnsw_ef_construct: int = Field(
        200, ge=16, description="neighbours considered while the HNSW graph is built; more neighbours find more, and slow down the build"
    )
    ef: int = Field(
        0,
        ge=0,
        le=4096,
        description=(
            "candidates that a search examines in the HNSW graph; 0: the smallest number that reaches `recall`, measured when the "
            "graph was built"
        ),
    )
    recall: float = Field(
        0.99, gt=0, le=1, description=("share of the ten nearest vectors that a search must find (0 to 1); used to choose `ef`")
    )
    oversampling: float = Field(
        2.0, ge=1, description=("number of int8 candidates that are rescored with full vectors, as a multiple of the requested results")
    )
    reindex_after: int = Field(
        5000, ge=1, description="number of points outside the HNSW graph that starts an automatic re-index, if reindex_share is reached too"
    )
    reindex_share: float = Field(
        0.1,
        ge=0,
        le=1,
        description=(
            "share of all points (0 to 1) outside the HNSW graph that starts an automatic re-index, if reindex_after is reached too"
        ),
    )


class EmbeddingsSettings(Section):
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="auto, cpu or cuda; auto: workers use an NVIDIA GPU if there is one; cuda: servers and workers need one"
    )
    runtime: Literal["auto", "openvino", "onnxruntime"] = Field(
        "auto", description="auto, openvino or onnxruntime; auto: OpenVINO where the precision is bf16, else ONNX Runtime"
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="auto, fp32 or bf16; auto: bf16 if the CPU multiplies it natively, else fp32"
    )
    threads: int = Field(0, ge=0, description="threads used for embedding; 0: one per core, at most 4")
    batch_padded_tokens: int = Field(2048, ge=256, description="maximum tokens of a batch, padding included; bounds its memory")
    timeout_seconds: float = Field(60, gt=0, description="maximum seconds of an embedding request, waiting included; then 503")
    bulk_texts_a_caller: int = Field(
        4096,
        ge=1,
        description=(
            "maximum number of texts that one caller of /v1/embeddings may have waiting for Cairn's own model; more are refused with 429"
        ),
    )
    bulk_texts: int = Field(
        16_384,
        ge=1,
        description=(
            "maximum number of texts that all callers of /v1/embeddings together may have waiting for Cairn's own model; more are "
            "refused with 503"
        ),
    )
    bulk_wait_seconds: float = Field(
        90, gt=0, description="maximum seconds for a caller's texts, waiting included; requests that would take longer are refused with 429"
    )


class SessionsSettings(Section):
    max_line_bytes: int = Field(
        16 * 2**20, ge=1024, description=("maximum length of a transcript's line in bytes; a longer line is skipped and counted")
    )
    max_text_chars: int = Field(
        64_000, ge=1000, description=("maximum length of an event's text in characters, after redaction; a longer text is cut")
    )
    max_live_events: int = Field(
        1000, ge=1, description=("maximum number of events in one request of a live session; more are refused with 422")
    )
    upload_ttl_hours: float = Field(24, gt=0, description="hours after which the unredacted upload of a permanently failed job is deleted")


class WorkerSettings(Section):
    concurrency: int = Field(2, ge=1, description="jobs that a worker runs at once")
    poll_seconds: float = Field(0.2, gt=0, description="seconds between attempts to claim a job while none is due")
    lease_seconds: float = Field(
        30, ge=1, description=("seconds without a heartbeat of its worker after which another worker takes over a job")
    )
    max_attempts: int = Field(5, ge=1, description="maximum attempts at a job; after the last one it has failed permanently")
    backoff_seconds: float = Field(2, gt=0, description="seconds before a job's second attempt; doubled for each further attempt")
    backoff_max_seconds: float = Field(300, gt=0, description="maximum seconds between two attempts at a job")
    give_up_hours: float = Field(
        24,
        gt=0,
        description="maximum hours that a job waits for an unavailable dependency, such as Qdrant; attempts during that time don't count",
    )
    stop_seconds: float = Field(
        5, ge=0, description="seconds that running jobs have to finish when the worker stops; then they go back to the queue"
    )
    pool_size: int = Field(
        5, ge=1, description=("database connections that a worker keeps open; under load it may open the same number again")
    )
    backfill_sessions: int = Field(20, ge=1, description="number of sessions that one backfill job processes, after an update of Cairn")
    nice: int = Field(
        10, ge=0, le=19, description=("nice value (0 to 19) of an embedded worker, so that requests have priority over its jobs")
    )


class KnowledgeSettings(Section):
    merge_threshold: float = Field(
        0.95,
        gt=0,
        le=1,
        description=(
            "minimum cosine similarity at which two items may be merged, if nothing that they say differs; 0.30 less is enough if one only"
            " rewords the other"
        ),
    )
    min_relevance: float = Field(0.30, ge=0, le=1, description="minimum score of an item that is shown (0 to 1)")
    min_confidence: float = Field(
        0.055, ge=0, le=1, description="minimum probability (0 to 1) that the passages answer the question; below it none is shown"
    )
    max_items: int = Field(3, ge=0, description="maximum number of items among the results, if the question also asks for passages")
    max_tokens: int = Field(
        1500, ge=100, le=20_000, description="maximum tokens of all results' texts together, unless the question sets its own limit"
    )
    candidates: int = Field(40, ge=10, description="number of items that are ranked for a question that asks only for items")
    embedding_timeout_seconds: float = Field(
        1.0,
        gt=0,
        description=(
            "maximum seconds to embed a question; if it takes longer, the search is by words only and says so (degraded: embeddings)"
        ),
    )
    max_query_chars: int = Field(8000, ge=100, description="maximum length of a question in characters; a longer one is refused with 422")
    max_limit: int = Field(100, ge=1, description="maximum number of results that a question may ask for")
    answer_model: str = Field(
        "",
        max_length=200,
        description="model that writes answers: `auto`, a profile or a provider's model; empty: answers are quotations",
    )
    answer_max_tokens: int = Field(
        500, ge=50, le=2048, description="maximum length in tokens of an answer that a model writes; the developer who asks pays for it"
    )
    answer_prompt_tokens: int = Field(3000, ge=200, le=20_000, description="maximum tokens of the passages that are given to the model")
    answer_timeout_seconds: float = Field(
        20,
        gt=0,
        le=300,
        description=("maximum seconds for a model to write an answer; after that the answer is quoted instead (degraded: model)"),
    )
