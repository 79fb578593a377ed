"""Device authorization: a person signs in a device that has no browser or no keyboard by typing its
code elsewhere. Their page is `app/pages/device.py`.
"""

from app.features.device.endpoint import PATH, DeviceAuthorization
from app.features.device.grant import DeviceCode
from app.features.device.jobs import PURGE
from app.protocol.feature import Feature, Metadata
from app.services.runtime import Runtime


def metadata(run: Runtime) -> Metadata:
    return {
        "device_authorization_endpoint": f"{run.settings.require_issuer()}{PATH}",
        "grant_types_supported": [DeviceCode.GRANT_TYPE],
    }


FEATURE = Feature(
    name="device",
    grants=(DeviceCode,),
    endpoints={PATH: DeviceAuthorization},
    metadata=metadata,
    jobs=(PURGE,),
)
