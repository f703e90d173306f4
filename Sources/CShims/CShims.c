#include "wvs_shims.h"
