"""All that can be said to a service, in one place."""

from docradar.client.document_calls import DocumentCalls
from docradar.client.search_calls import SearchCalls
from docradar.client.service_calls import ServiceCalls


class Calls(SearchCalls, DocumentCalls, ServiceCalls):
    """Every call is a flow, or a listing of flows; `Client` and `AsyncClient` offer each under the same name."""
