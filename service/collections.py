"""Collections: what they hold, and what is declared of them."""

import asyncio

from litestar import Controller, get, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from service.fields import checked_collection, checked_instruction, declared_fields_of
from service.problems import problem_spec, problem_specs
from service.runtime import Runtime
from service.schemas import CollectionDeclaration, CollectionList, CollectionOut


class CollectionController(Controller):
    """Collections come into being with their first document, or when they are declared."""

    path = "/v1/collections"
    tags = ("collections",)

    @get(sync_to_thread=True, responses=problem_specs(503))
    def list_collections(self, runtime: NamedDependency[Runtime]) -> CollectionList:
        """All collections, with what is declared of them and what they hold."""
        return CollectionList([CollectionOut.of(found) for found in runtime.catalog.collections()])

    @get("/{name:str}", sync_to_thread=True, responses=problem_specs(400, 404, 503))
    def get_collection(self, runtime: NamedDependency[Runtime], name: FromPath[str]) -> CollectionOut:
        """One collection."""
        return CollectionOut.of(runtime.catalog.get_collection(checked_collection(name)))

    @put(
        "/{name:str}",
        responses=problem_specs(400, 413)
        | {
            409: problem_spec("Another collection declares one of the fields with another type."),
            503: problem_spec("The catalog or the index is away; sending it again mends what is half done."),
        },
    )
    async def put_collection(
        self,
        runtime: NamedDependency[Runtime],
        name: FromPath[str],
        data: JSONBody[CollectionDeclaration],
    ) -> CollectionOut:
        """Declares which keys of `meta` can be filtered on, replacing what was declared before.

        Documents that are there already are found by their values, where these are of the declared type.
        """
        collection = await asyncio.to_thread(
            runtime.catalog.put_collection,
            checked_collection(name),
            declared_fields_of(data),
            checked_instruction(data.instruction),
        )
        await runtime.engine.declare_fields()
        return CollectionOut.of(collection)
