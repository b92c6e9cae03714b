// Fault model: SIGKILL of the collector, in the middle of whatever it does. See kill-campaign.ts.
import { killCampaign } from './kill-campaign.ts'

killCampaign('the collector')
